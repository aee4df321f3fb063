package smpp

// Bits and types of esm_class (SMPP 3.4 §5.2.12; sheet section 6). Others occur: mask before comparing.
const (
	ESMClassModeMask     uint8 = 0x03 // messaging mode; meaningless in what we send
	ESMClassTransaction  uint8 = 0x02 // forward mode, of data_sm alone
	ESMClassTypeMask     uint8 = 0x3C
	ESMClassReceipt      uint8 = 0x04 // of the SMSC; exactly this value, as some clients compare the whole octet
	ESMClassAbort        uint8 = 0x18 // end of a conversation (CDMA)
	ESMClassIntermediate uint8 = 0x20 // intermediate notification
	ESMClassUDHI         uint8 = 0x40 // short_message starts with a UDH
	ESMClassReplyPath    uint8 = 0x80
)
