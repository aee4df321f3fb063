package sim

// verb is a command that the modem knows: what it needs, and what it does. It returns the result code, nil for OK.
type verb struct {
	need need
	do   func(*terminal, command) error
}

// commands is everything that the modem knows; anything else is ERROR.
var commands = map[string]verb{
	// V.250
	"E":  {needNothing, onOff(func(t *terminal) *bool { return &t.echo })},
	"V":  {needNothing, onOff(func(t *terminal) *bool { return &t.verbose })},
	"Q":  {needNothing, onOff(func(t *terminal) *bool { return &t.quiet })},
	"Z":  {needNothing, doReset},
	"&F": {needNothing, doReset},
	"I": {needNothing, says("", func(t *terminal) string {
		return "Manufacturer: " + t.m.cfg.Manufacturer + "\r\nModel: " + t.m.cfg.Model + "\r\nRevision: " + t.m.cfg.Revision +
			"\r\nIMEI: " + t.m.cfg.IMEI + "\r\n+GCAP: +CGSM"
	})},
	"A":    {needNothing, func(*terminal, command) error { return errNoCarrier }},
	"D":    {needNothing, func(*terminal, command) error { return errNoCarrier }},
	"S":    {needNothing, doParameter},
	"H":    {needNothing, accepted},
	"L":    {needNothing, accepted},
	"M":    {needNothing, accepted},
	"X":    {needNothing, accepted},
	"&C":   {needNothing, accepted},
	"&D":   {needNothing, accepted},
	"&K":   {needNothing, accepted},
	"&S":   {needNothing, accepted},
	"&W":   {needNothing, accepted},
	"+IFC": {needNothing, accepted},
	"+ICF": {needNothing, accepted},
	"+IPR": {needNothing, accepted},

	// who the modem and its SIM are
	"+CGMI":  {needNothing, says("", func(t *terminal) string { return t.m.cfg.Manufacturer })},
	"+GMI":   {needNothing, says("", func(t *terminal) string { return t.m.cfg.Manufacturer })},
	"+CGMM":  {needNothing, says("", func(t *terminal) string { return t.m.cfg.Model })},
	"+GMM":   {needNothing, says("", func(t *terminal) string { return t.m.cfg.Model })},
	"+CGMR":  {needNothing, says("", func(t *terminal) string { return t.m.cfg.Revision })},
	"+GMR":   {needNothing, says("", func(t *terminal) string { return t.m.cfg.Revision })},
	"+CGSN":  {needNothing, says("", func(t *terminal) string { return t.m.cfg.IMEI })},
	"+GSN":   {needNothing, says("", func(t *terminal) string { return t.m.cfg.IMEI })},
	"+GCAP":  {needNothing, says("+GCAP: ", func(*terminal) string { return "+CGSM" })},
	"+CIMI":  {needSIM, says("", func(t *terminal) string { return t.m.cfg.IMSI })},
	"+CCID":  {needNothing, says("+CCID: ", func(t *terminal) string { return t.m.cfg.ICCID })},
	"+ICCID": {needNothing, says("+ICCID: ", func(t *terminal) string { return t.m.cfg.ICCID })},
	"+CNUM": {needSIM, says("+CNUM: ", func(t *terminal) string {
		return `"","` + t.m.cfg.Number + `",145`
	})},

	// SIM and radio, TS 27.007
	"+CMEE":   {needNothing, number(0, 2, func(t *terminal) *int { return &t.cmee })},
	"+CSCS":   {needNothing, doCSCS},
	"+CPIN":   {needNothing, doCPIN},
	"+CPINR":  {needNothing, doCPINR},
	"^CPIN":   {needNothing, doCounter},
	"+SPIC":   {needNothing, doCounter},
	"^SPIC":   {needNothing, doCounter},
	"+QPINC":  {needNothing, doCounter},
	"+CRSM":   {needSIM, doCRSM},
	"+CCLK":   {needNothing, doCCLK},
	"+CLCK":   {needNothing, doCLCK},
	"+CFUN":   {needNothing, doCFUN},
	"+CRESET": {needNothing, doRestart},
	"^RESET":  {needNothing, doRestart},
	"+CREG":   {needNothing, registrations(func(t *terminal) *int { return &t.creg })},
	"+CGREG":  {needNothing, registrations(func(t *terminal) *int { return &t.cgreg })},
	"+CEREG":  {needNothing, registrations(func(t *terminal) *int { return &t.cereg })},
	"+CGATT":  {needNothing, says("+CGATT: ", func(*terminal) string { return "1" })},
	"+COPS":   {needNothing, doCOPS},
	"+CSQ":    {needNothing, doCSQ},
	"+CUSD":   {needSIM, doCUSD},
	"+CLIP":   {needNothing, accepted},
	"+CRC":    {needNothing, accepted},
	"+CCWA":   {needNothing, accepted},
	"+CMER":   {needNothing, accepted},
	"+CIND":   {needNothing, accepted},

	// texts, TS 27.005
	"+CSMS": {needNothing, doCSMS},
	"+CMGF": {needNothing, number(0, 0, func(*terminal) *int { return new(int) })},
	"+CMMS": {needNothing, number(0, 2, func(t *terminal) *int { return &t.cmms })},
	"+CNMI": {needNothing, doCNMI},
	"+CNMA": {needNothing, doCNMA},
	"+CSCA": {needSMS, doCSCA},
	"+CPMS": {needSMS, doCPMS},
	"+CMGL": {needSMS, doCMGL},
	"+CMGR": {needSMS, doCMGR},
	"+CMGD": {needSMS, doCMGD},
	"+CMGS": {needSMS, doCMGS},
	"+CMGW": {needSMS, doCMGW},
	"+CMSS": {needSMS, doCMSS},
}
