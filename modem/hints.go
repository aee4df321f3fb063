package modem

// This file holds what is known of USB ids. All of it are hints: they order the ports to be tried, and explain what a
// stick without any is.

// modemVendors are makers of modems.
var modemVendors = []string{
	"03f0", // HP
	"0421", // Nokia
	"05c6", // Qualcomm, and the many who kept its ids
	"0af0", // Option
	"0bdb", // Ericsson
	"0e8d", // MediaTek
	"1199", // Sierra Wireless
	"12d1", // Huawei
	"1410", // Novatel
	"1546", // u-blox
	"16d8", // CMOTECH
	"19d2", // ZTE
	"1bbb", // TCL, Alcatel
	"1bc7", // Telit
	"1c9e", // Longcheer
	"1e0e", // SIMCom
	"1e2d", // Cinterion
	"1edf", // Vodafone
	"2001", // D-Link
	"2020", // BroadMobi
	"2357", // TP-Link
	"2c7c", // Quectel
	"2cb7", // Fibocom
	"305a", // GosunCn
	"413c", // Dell
	"8087", // Intel
}

// notModems are USB devices that have a tty and do other things: a vendor, or vendor and product. To write AT to them
// could start a machine.
var notModems = []string{
	"2341", "2a03", // Arduino
	"1b4f",                         // SparkFun
	"239a",                         // Adafruit
	"16c0",                         // Teensy and other boards of hobbyists
	"2e8a",                         // Raspberry Pi Pico
	"1d50",                         // open hardware: 3D printers, radios
	"0483",                         // STMicroelectronics: boards and machines with their own protocol
	"0463", "051d", "06da", "09ae", // supplies that cannot be interrupted: Eaton, APC, Phoenixtec, Tripp Lite
	"1546:01a4", "1546:01a5", "1546:01a6", "1546:01a7", "1546:01a8", "1546:01a9", // u-blox receivers of positions
	"1a86:55d4", // Zigbee coordinators
	"0658:0200", // Z-Wave sticks
	"091e",      // Garmin
}

// portHint says which interfaces of a USB device take AT commands, the best one for texts first, and which do not.
// Interfaces in neither list are for data.
type portHint struct {
	vendor, products string // products "": all that are not named before
	at, not          []int
}

// portHints is, where nothing else is said, from ModemManager's rules of port types (plugins/*/77-mm-*-port-types.rules:
// its AT_PRIMARY comes first, then AT_SECONDARY; QCDM, GPS, AUDIO and IGNORE are what does not count).
var portHints = []portHint{
	// Huawei's old sticks: 0 modem, 1 diagnosis, 2 PCUI, on which reports come (gsm-modem §2).
	{"12d1", "1001 1003 1004 1401 140b 140c 1411 14ac 1436 1433 1c05 1c07 1506 1465", []int{2, 0}, []int{1}},
	// Sierra: only the primary port has all commands; 3 on MC74xx and EM74xx (gsm-modem §2).
	{"1199", "", []int{3}, []int{0, 1, 2}},
	{"2c7c", "0128", []int{5}, []int{3, 4}},
	{"2c7c", "", []int{2, 3}, []int{0, 1}},
	{"1e0e", "cefe", []int{2, 0, 1}, nil},
	{"1e0e", "9100 9200", []int{3, 1}, nil},
	{"1e0e", "9011", []int{4}, []int{2}},
	{"1e0e", "9205 9206", []int{2}, []int{0, 1}},
	{"1e0e", "", []int{2, 3}, []int{0, 1, 4}},
	{"1bc7", "1003 1006", []int{0, 2}, nil},
	{"1bc7", "1004 1005", []int{0, 3}, []int{2}},
	{"1bc7", "1010", []int{3, 2}, []int{1}},
	{"1bc7", "1011", []int{1}, nil},
	{"1bc7", "1031 1033 1101 110a", []int{1, 2}, []int{0}},
	{"1bc7", "1040 1050 1060 1070 1201", []int{4, 5}, []int{0, 3, 6}},
	{"1bc7", "1041 1051 1061 1071 1204", []int{5, 6}, []int{0, 4, 7}},
	{"1bc7", "10a0 10c0 3000", []int{2}, []int{1, 3}},
	{"1bc7", "10a2 10c2", []int{3}, []int{2, 4}},
	{"1bc7", "7010 7011", []int{4, 3}, []int{2}},
	{"1bc7", "7020 7021", []int{6, 2}, []int{4}},
	{"1e2d", "0061", []int{2}, []int{4, 6, 8}},
	{"1e2d", "005b 005d 0069 006f", []int{0, 2}, []int{4, 6, 8}},
	{"1e2d", "00f1 00b3", []int{2}, []int{4, 5}},
	{"2cb7", "0007", []int{2, 6}, []int{4}},
	{"2cb7", "01a0 01a2", []int{2, 3}, []int{4, 5}},
	{"2cb7", "0104 0106", []int{1, 2}, []int{0, 3}},
	{"2cb7", "0115 01a4", []int{3}, []int{2, 4, 5, 6}},
	{"2cb7", "010a", []int{0, 1}, nil},
	{"19d2", "0001 1515", []int{0, 2}, nil},
	{"19d2", "0002 0012 0024 0025 0055", []int{2, 4}, nil},
	{"19d2", "0003 0004 0005 0006 0007 0008 0009 000a", []int{0, 1}, nil},
	{"19d2", "0015 0030 0054", []int{1, 3}, nil},
	{"19d2", "0016 0017 0018 0019 0117 0156", []int{2, 1}, nil},
	{"19d2", "0021 0031 0037 0039 0042 0052 0057 0058 0061 0063 0066 0078 0082 0104 0106 0108", []int{3, 1}, nil},
	{"19d2", "0122 0123 1007 1008 1010 1254 1268 2002 2003", []int{3, 1}, nil},
	{"19d2", "0033 0091 0113 0118 0121 0124 0126 0128", []int{4, 1}, nil},
	{"19d2", "0043", []int{3, 2}, nil},
	{"19d2", "0048 0049", []int{4, 2}, nil},
	{"19d2", "0064", []int{2, 0}, nil},
	{"1c9e", "6000 6060 6061", []int{0, 2}, nil},
	{"1c9e", "9001 9002 9012 9022 9603", []int{2, 0, 1}, nil},
	{"1c9e", "9003 9010 9020 9604 9605", []int{3, 0, 1, 2}, nil},
	{"1c9e", "9606 9607", []int{4, 0, 1, 2, 3}, nil},
	{"1bbb", "0000", []int{3, 1, 0, 2}, nil},
	{"1bbb", "0017", []int{5, 0, 1, 2, 3}, nil},
	{"1bbb", "00b7", []int{4, 0, 3}, nil},
	{"1bbb", "022c", []int{1, 2}, []int{0, 3}},
	{"2001", "7e35", []int{1, 2}, []int{0, 3}},
	{"2020", "2060", []int{1, 2, 3}, []int{0}},
	{"305a", "1405", []int{1, 2}, []int{0, 5}},
	{"413c", "81d7 81e0", []int{2, 3}, []int{4, 5}},
	{"05c6", "908b", []int{1, 2}, []int{0, 3}},
	{"2357", "9000", []int{3}, []int{0, 1}},
	{"0421", "060d 0611 061a 061b 061f 0620 0623 0624 0625 062a 062e 062f", []int{1}, nil},
	{"0e8d", "00a1 00a2", []int{0, 1}, nil},
	{"0e8d", "00a5 00a7 0023", []int{2, 3}, nil},
}

// storageVendors sell nothing to this purpose that is storage for good: a device of theirs that has no other interface
// is a modem that waits to be switched (usb-modeswitch-data, 40-usb_modeswitch.rules, has such a rule for Huawei).
var storageVendors = []string{"0af0", "1199", "12d1", "1410", "16d8", "19d2", "1bbb", "1c9e", "1e0e", "1edf"}

// storageIDs are sticks of other makers before they are switched (usb-modeswitch-data 20191128).
var storageIDs = []string{
	"0421:060c", "0421:0610", "0421:0618", "0421:061d", "0421:0622", "0421:0627", "0421:062c", "0421:0632", "0421:0637",
	"0471:1210", "0471:1237", "04e8:680c", "04e8:689a", "04e8:f000", "05c6:1000", "05c6:2000", "05c6:2001", "05c6:6503",
	"05c6:f000", "07d1:a800", "07d1:a804", "07d1:f000", "0b3c:c700", "0b3c:f000", "0b3c:f00c", "0b3c:f017", "0e8d:7109",
	"0fce:d0cf", "0fce:d0df", "0fce:d0e1", "0fce:d103", "0fd1:1000", "1004:1000", "1004:607f", "1004:613a", "1004:613f",
	"1004:6190", "1076:7f40", "1266:1000", "1a8d:1000", "1a8d:2000", "1da5:f000", "1dd6:1000", "1ee8:0003", "1ee8:0009",
	"1ee8:0013", "1ee8:0040", "1ee8:0063", "2001:98ff", "2001:a401", "2001:a403", "2001:a405", "2001:a406", "2001:a407",
	"2001:a40a", "2001:a706", "2001:a707", "2001:a708", "2001:a805", "2001:a809", "2001:a80b", "201e:1023", "201e:2009",
	"2020:0002", "2020:2030", "2020:f00e", "2020:f00f", "2077:1000", "2077:f000", "22de:6801", "22f4:0021", "230d:0001",
	"2357:0200", "2357:0600", "2357:f000", "8888:6500",
}
