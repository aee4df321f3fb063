package sim

import (
	"strings"
	"testing"
	"testing/synctest"
)

// dialogue is what is typed at a modem that has just been switched on, and what it answers.
type dialogue struct {
	name string
	says []exchange
}

type exchange struct{ typed, want string }

// hello is the PDU of "hellohello", an SMS-SUBMIT of 23 octets, SCA left out.
const hello = "0011000B916407281553F80000AA0AE8329BFD4697D9EC37"

func run(t *testing.T, dialogues []dialogue) {
	for _, tt := range dialogues {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := start(t, Config{})
				for _, e := range tt.says {
					r.want(e.typed, e.want)
				}
			})
		})
	}
}

// TestLine is what V.250 says of command lines and answers.
func TestLine(t *testing.T) {
	run(t, []dialogue{
		{"attention", []exchange{{"AT\r", ok()}, {"at\r", ok()}, {"aT\r\n", ok()}}},
		{"noise before it", []exchange{{"\x00\x1b\r", ""}, {"\x1b\rAT\r", ok()}, {"xyzAT\r", ok()}, {"hello\r", ""}}},
		{"NUL in the line", []exchange{{"AT+CMGF=0\x00\r", ok()}}},
		{"backspace", []exchange{{"ATX\b\r", ok()}}},
		{"a line too long", []exchange{{"AT" + strings.Repeat(" ", 2000) + "\r", result("ERROR")}, {"AT\r", ok()}}},
		{"unknown", []exchange{{"AT+NOSUCH\r", result("ERROR")}, {"AT^CURC=0\r", result("ERROR")}, {"ATY\r", result("ERROR")},
			{"ATE5\r", result("ERROR")}, {"AT+CMEE?1\r", result("ERROR")}, {"AT+CPIN\r", result("ERROR")},
			{"AT=\r", result("ERROR")}}},
		{"several", []exchange{
			{"AT+CMEE=1;+CREG=2\r", ok()},
			{"ATE0V1Q0X4&C1&D2S0=0+CMEE?;+CREG?\r", ok("+CMEE: 1", `+CREG: 2,1,"00C3","0000A1B2"`)},
			{"AT+CMEE?;+NOSUCH;+CREG?\r", "\r\n+CMEE: 1\r\n" + result("ERROR")},
		}},
		{"echo", []exchange{
			{"ATE1\r", ok()},
			{"AT+CMEE?\r", "AT+CMEE?\r" + ok("+CMEE: 0")},
			{"AT+CMGS=23\r", "AT+CMGS=23\r\r\n> "},
			{hello + "\x1a", hello + ok("+CMGS: 1")},
		}},
		{"numbers for words", []exchange{{"ATV0\r", "0\r"}, {"AT+NOSUCH\r", "4\r"}, {"AT+CMEE=1;+CPIN=1\r", "+CME ERROR: 3\r"},
			{"AT+CMEE?\r", "+CMEE: 1\r\n0\r"}, {"ATV1\r", ok()}}},
		{"quiet", []exchange{{"ATQ1\r", ""}, {"AT+CMEE?\r", "\r\n+CMEE: 0\r\n"}, {"ATQ0\r", ok()}}},
		{"reset", []exchange{{"AT+CMEE=2\r", ok()}, {"ATZ\r", ok()}, {"ATE0\r", "ATE0\r" + ok()},
			{"AT+CMEE?\r", ok("+CMEE: 0")}, {"AT&F\r", ok()}}},
		{"S-parameters", []exchange{{"ATS3?\r", ok("013")}, {"ATS0=1S7=60\r", ok()}}},
		{"calls", []exchange{{"ATD+491701234567;\r", result("NO CARRIER")}, {"ATA\r", result("NO CARRIER")}, {"ATH\r", ok()}}},
		{"errors", []exchange{
			{"AT+CREG=7\r", result("ERROR")},
			{"AT+CMEE=1;+CREG=7\r", result("+CME ERROR: 50")},
			{"AT+CMEE=2;+CREG=7\r", result("+CME ERROR: incorrect parameters")},
			{"AT+CMGR=1\r", result("+CMS ERROR: Invalid memory index")},
			{"AT+CMEE=0;+CMGR=1\r", result("+CMS ERROR: 321")},
		}},
	})
}

// TestModem is the modem, its SIM and its network (TS 27.007).
func TestModem(t *testing.T) {
	run(t, []dialogue{
		{"identity", []exchange{
			{"AT+CGMI;+CGMM;+CGMR;+CGSN\r", ok("smsgateway", "simulated modem", "1.0", "490154203237518")},
			{"AT+GMI;+GMM;+GMR;+GSN;+ICCID\r", ok("smsgateway", "simulated modem", "1.0", "490154203237518", "+ICCID: 8949010000123456789")},
			{"AT+CIMI\r", ok("262011234567890")}, {"AT+CCID\r", ok("+CCID: 8949010000123456789")},
			{"AT+CNUM\r", ok(`+CNUM: "","+491760000001",145`)},
			{"AT+GCAP\r", ok("+GCAP: +CGSM")}, {"AT+CGSN=?\r", ok()},
			{"ATI\r", ok("Manufacturer: smsgateway", "Model: simulated modem", "Revision: 1.0", "IMEI: 490154203237518", "+GCAP: +CGSM")},
		}},
		{"network", []exchange{
			{"AT+CREG=?\r", ok("+CREG: (0-2)")}, {"AT+CREG?\r", ok("+CREG: 0,1")},
			{"AT+CGREG?;+CEREG?\r", ok("+CGREG: 0,1", "+CEREG: 0,1")},
			{"AT+CGATT?\r", ok("+CGATT: 1")}, {"AT+CSQ\r", ok("+CSQ: 21,99")}, {"AT+CSQ=?\r", ok("+CSQ: (0-31,99),(99)")},
			{"AT+COPS?\r", ok(`+COPS: 0,0,"SimNet"`)}, {"AT+COPS=3,2\r", ok()}, {"AT+COPS?\r", ok(`+COPS: 0,2,"26201"`)},
			{"AT+COPS=?\r", ok(`+COPS: (2,"SimNet","SimNet","26201"),,(0-3),(0-2)`)}, {"AT+COPS=9\r", result("ERROR")},
		}},
		{"leaving the network", []exchange{
			{"AT+CREG=1\r", ok()}, {"AT+COPS=2\r", ok() + result("+CREG: 0")}, {"AT+COPS?\r", ok("+COPS: 2")},
			{"AT+COPS=0\r", ok() + result("+CREG: 1")},
		}},
		{"radio", []exchange{
			{"AT+CREG=2\r", ok()}, {"AT+CFUN=?\r", ok("+CFUN: (0,1,4),(0-1)")}, {"AT+CFUN=4\r", ok() + result("+CREG: 0")},
			{"AT+CFUN?\r", ok("+CFUN: 4")},
			{"AT+CSQ\r", ok("+CSQ: 99,99")}, {"AT+COPS?\r", ok("+COPS: 0")},
			{"AT+CFUN=1\r", ok() + result(`+CREG: 1,"00C3","0000A1B2"`)},
			{"AT+CFUN=3\r", result("ERROR")}, {"AT+CFUN=0\r", ok() + result("+CREG: 0")}, {"AT+CPIN?;\r", result("ERROR")},
			{"AT+CPMS?\r", result("+CMS ERROR: 310")},
		}},
		{"SIM without a PIN", []exchange{
			{"AT+CPIN?\r", ok("+CPIN: READY")}, {"AT+CPIN=?\r", ok()}, {"AT+CMEE=1;+CPIN=\"1234\"\r", result("+CME ERROR: 3")},
			{"AT+CPINR\r", ok("+CPINR: SIM PIN,3,3", "+CPINR: SIM PUK,10,10")},
			{"AT+CPINR=\"SIM PIN\"\r", ok("+CPINR: SIM PIN,3,3")}, {"AT+CPINR=?\r", ok()},
			{"AT+CLCK=\"SC\",2\r", ok("+CLCK: 0")}, {"AT+CLCK=?\r", ok(`+CLCK: ("SC")`)},
			{"AT+CLCK=\"SC\",1,\"1234\"\r", result("+CME ERROR: 3")}, {"AT+CLCK=\"PN\",2\r", result("+CME ERROR: 50")},
		}},
	})
}

// TestTextSettings is the settings of TS 27.005, and what else there is to set.
func TestTextSettings(t *testing.T) {
	run(t, []dialogue{
		{"settings of texts", []exchange{
			{"AT+CMGF=?\r", ok("+CMGF: (0)")}, {"AT+CMGF?\r", ok("+CMGF: 0")}, {"AT+CMGF=0\r", ok()},
			{"AT+CMGF=1\r", result("ERROR")},
			{"AT+CSMS=?\r", ok("+CSMS: (0,1)")}, {"AT+CSMS=1\r", ok("+CSMS: 1,1,1")}, {"AT+CSMS?\r", ok("+CSMS: 1,1,1,1")},
			{"AT+CSMS=2\r", result("+CMS ERROR: 303")},
			{"AT+CMMS=?\r", ok("+CMMS: (0-2)")}, {"AT+CMMS=2\r", ok()}, {"AT+CMMS?\r", ok("+CMMS: 2")},
			{"AT+CNMI=?\r", ok("+CNMI: (0-3),(0-3),(0,2),(0-2),(0,1)")}, {"AT+CNMI?\r", ok("+CNMI: 0,0,0,0,0")},
			{"AT+CNMI=2,1\r", ok()},
			{"AT+CNMI=,,,1\r", ok()}, {"AT+CNMI?\r", ok("+CNMI: 2,1,0,1,0")}, {"AT+CNMI=4\r", result("+CMS ERROR: 303")},
			{"AT+CNMI=2,1,1\r", result("+CMS ERROR: 303")}, {"AT+CNMI\r", result("ERROR")},
		}},
		{"service centre", []exchange{
			{"AT+CSCA?\r", ok(`+CSCA: "+491710760000",145`)}, {"AT+CSCA=\"491722270333\",145\r", ok()},
			{"AT+CSCA?\r", ok(`+CSCA: "+491722270333",145`)},
			{"AT+CSCA=\"0172\",129\r", ok()}, {"AT+CSCA?\r", ok(`+CSCA: "0172",129`)},
			{"AT+CSCA=\"x\"\r", result("+CMS ERROR: 303")}, {"AT+CSCA=?\r", ok()}, {"AT+CSCA\r", result("ERROR")},
			{"AT+CSCA=\"\"\r", ok()}, {"AT+CMGS=23\r", "\r\n> "}, {hello + "\x1a", result("+CMS ERROR: 330")},
		}},
		{"memories", []exchange{
			{"AT+CPMS=?\r", ok(`+CPMS: ("SM","ME","SR"),("SM","ME"),("SM","ME")`)},
			{"AT+CPMS?\r", ok(`+CPMS: "SM",0,20,"SM",0,20,"SM",0,20`)},
			{"AT+CPMS=\"SM\",\"ME\",\"SM\"\r", ok("+CPMS: 0,20,0,20,0,20")}, {"AT+CPMS=SR\r", ok("+CPMS: 0,20,0,20,0,20")},
			{"AT+CPMS=\"ME\",\"ME\"\r", ok("+CPMS: 0,20,0,20,0,20")},
			{"AT+CPMS?\r", ok(`+CPMS: "ME",0,20,"ME",0,20,"SM",0,20`)}, {"AT+CPMS=\"XX\"\r", result("+CMS ERROR: 302")},
			{"AT+CPMS=\"SM\",\"SR\"\r", result("+CMS ERROR: 302")}, {"AT+CPMS\r", result("ERROR")},
		}},
		{"character sets", []exchange{
			{"AT+CSCS=?\r", ok(`+CSCS: ("GSM","IRA","UCS2")`)}, {"AT+CSCS?\r", ok(`+CSCS: "IRA"`)}, {"AT+CSCS=\"UCS2\"\r", ok()},
			{"AT+CSCS=\"KLINGON\"\r", result("ERROR")},
			{"AT+COPS?\r", ok(`+COPS: 0,0,"00530069006D004E00650074"`)}, {"AT+CSCA=\"002B0034\"\r", ok()},
			{"AT+CSCA=\"+4\"\r", ok()}, {"AT+CSCS=\"GSM\"\r", ok()}, {"AT+CSCA?\r", ok(`+CSCA: "+4",145`)},
		}},
		{"USSD", []exchange{
			{"AT+CUSD=?\r", ok("+CUSD: (0-2)")}, {"AT+CUSD=1\r", ok()}, {"AT+CUSD?\r", ok("+CUSD: 1")}, {"AT+CUSD=2\r", ok()},
			{"AT+CUSD=5\r", result("ERROR")},
			{"AT+CUSD=1,\"*100#\",15\r", ok() + result(`+CUSD: 0,"Your balance is 12.34 EUR.",15`)},
			{"AT+CUSD=1,\"123\",15\r", ok() + result("+CUSD: 4")},
		}},
		{"harmless", []exchange{{"AT+CLIP=1;+CRC=1;+CCWA=1;+CMER=3,0,0,1;+CIND?;+IFC=2,2;+ICF=3;+IPR=115200\r", ok()}}},
	})
}

// TestSending is AT+CMGS and its like, with all that can be wrong behind the prompt.
func TestSending(t *testing.T) {
	run(t, []dialogue{
		{"sending", []exchange{
			{"AT+CMGS=?\r", ok()}, {"AT+CMGS=23\r", "\r\n> "}, {hello + "\x1a", ok("+CMGS: 1")},
			{"AT+CMGS=30\r", "\r\n> "}, {"0791947101670000" + hello[2:] + "\x1a", result("+CMS ERROR: 304")},
			{"AT+CMGS=23\r", "\r\n> "}, {"0791947101670000" + hello[2:] + "\x1a", ok("+CMGS: 2")},
		}},
		{"CR, LF, blank and backspace behind the prompt", []exchange{
			{"AT+CMGS=23\r\n", "\r\n> "}, {hello[:10] + "\r", "\r\n> "}, {"7\b\n " + hello[10:], ""}, {"\x1a", ok("+CMGS: 1")},
		}},
		{"ESC behind the prompt", []exchange{{"AT+CMGS=23\r", "\r\n> "}, {hello + "\x1b", ok()},
			{"AT+CMGS=23\r", "\r\n> "}, {hello + "\x1a", ok("+CMGS: 1")}}},
		{"no text at all", []exchange{
			{"AT+CMGS=6\r", result("+CMS ERROR: 304")}, {"AT+CMGS=165\r", result("+CMS ERROR: 304")},
			{"AT+CMGS\r", result("+CMS ERROR: 304")}, {"AT+CMGS=x\r", result("+CMS ERROR: 304")},
			{"AT+CMGS=23\r", "\r\n> "}, {"\x1a", result("+CMS ERROR: 304")},
			{"AT+CMGS=23\r", "\r\n> "}, {"zz" + hello + "\x1a", result("+CMS ERROR: 304")},
			{"AT+CMGS=22\r", "\r\n> "}, {hello + "\x1a", result("+CMS ERROR: 304")},
			{"AT+CMGS=24\r", "\r\n> "}, {hello + "00\x1a", result("+CMS ERROR: 304")},
			{"AT+CMGS=23\r", "\r\n> "}, {strings.Repeat("00", 1000) + "\x1a", result("+CMS ERROR: 304")},
			{"AT+CMGS=23\r", "\r\n> "}, {"0010" + hello[4:] + "\x1a", result("+CMS ERROR: 304")}, // an SMS-DELIVER
			{"AT+CMGS=7\r", "\r\n> "}, {"0001000081000000\x1a", result("+CMS ERROR: 304")}, // to nobody
		}},
		{"sending from memory", []exchange{
			{"AT+CMGW=?\r", ok()}, {"AT+CMGW=23\r", "\r\n> "}, {hello + "\x1a", ok("+CMGW: 1")},
			{"AT+CMGL=2\r", ok("+CMGL: 1,2,,23", hello)},
			{"AT+CMSS=1\r", ok("+CMSS: 1")}, {"AT+CMGR=1\r", ok("+CMGR: 3,,23", hello)},
			{"AT+CMSS=1,\"+491701\"\r", ok("+CMSS: 2")}, {"AT+CMSS=1,\"nobody\"\r", result("+CMS ERROR: 304")},
			{"AT+CMSS=2\r", result("+CMS ERROR: 321")}, {"AT+CMSS=?\r", ok()}, {"AT+CMGW=23,7\r", result("+CMS ERROR: 304")},
			{"AT+CMGD=1,2\r", ok()}, {"AT+CMGL=4\r", ok()},
		}},
		{"reading nothing", []exchange{
			{"AT+CMGL=?\r", ok("+CMGL: (0-4)")}, {"AT+CMGL\r", ok()}, {"AT+CMGL=5\r", result("+CMS ERROR: 304")},
			{"AT+CMGR=0\r", result("+CMS ERROR: 321")}, {"AT+CMGR=?\r", ok()}, {"AT+CMGR\r", result("+CMS ERROR: 304")},
			{"AT+CMGD=?\r", ok("+CMGD: (),(0-4)")}, {"AT+CMGD=1\r", ok()}, {"AT+CMGD=21\r", result("+CMS ERROR: 321")},
			{"AT+CMGD=\r", result("+CMS ERROR: 304")}, {"AT+CMGD=1,4\r", ok()},
			{"AT+CNMA\r", result("+CMS ERROR: 340")}, {"AT+CNMA=?\r", ok("+CNMA: (0-2)")}, {"AT+CNMA=9\r", result("+CMS ERROR: 304")},
		}},
	})
}
