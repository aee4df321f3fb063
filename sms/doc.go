// Package sms knows what a text is on the GSM side: addresses, alphabets, user data headers, how a long text is cut, and
// the TPDUs that carry it (3GPP TS 23.038 and TS 23.040). It is pure functions on octets: no clock, no I/O, no state.
//
// A text goes down as
//
//	EncodeGSM7 or EncodeUCS2 > Split > Submit{UDH: AppendUDH(nil, Concat(...)), Data: part} > Append > AppendSCA
//
// and comes up as SplitSCA, MessageType, then ParseDeliver or ParseStatusReport.
//
// Two lengths are easily confused. A septet is a character code of 7 bits; here septets stand unpacked, one per octet.
// Only inside a TPDU are they packed, 8 into 7 octets. UCS-2 user data is counted in octets everywhere.
//
// Append is exact: what the specification does not allow is refused with a *FieldError. Parse is lenient where real
// modems and message centres are careless: octets behind the last field are ignored, reserved bits and values are read
// as the specification tells a phone to read them, and a timestamp that makes no sense is the zero time. Whatever
// parses can be appended, and parses to the same value again.
package sms
