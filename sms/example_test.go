package sms_test

import (
	"fmt"
	"strings"
	"time"

	"smsgateway/sms"
)

// A text that is too long for one message goes out as parts with a common reference.
func Example() {
	to, err := sms.ParseNumber("+491701234567")
	if err != nil {
		fmt.Println(err)
		return
	}
	septets, err := sms.EncodeGSM7(strings.Repeat("Der Gärtner kommt um 8. ", 7))
	if err != nil {
		fmt.Println(err) // not in the GSM alphabet: EncodeUCS2 and DCS 0x08
		return
	}
	parts := sms.Split(septets, sms.GSM7, false)
	for i, part := range parts {
		tpdu, err := sms.Submit{
			StatusReport: true,
			Destination:  to,
			Validity:     24 * time.Hour,
			UDH:          sms.AppendUDH(nil, sms.Concat(0x2A, false, uint8(len(parts)), uint8(i+1))),
			Data:         part,
		}.Append(nil)
		if err != nil {
			fmt.Println(err)
			return
		}
		pdu := append(sms.AppendSCA(nil, sms.Address{}), tpdu...)
		fmt.Printf("AT+CMGS=%d %X...\n", len(tpdu), pdu[:24])
	}
	// Output:
	// AT+CMGS=154 0071000C919471103254760000A7A00500032A0201886539...
	// AT+CMGS=34 0071000C919471103254760000A7160500032A0202CA72D0...
}
