// Package sim is a GSM modem, the SIM in it and the network behind it, in software. It speaks AT (TS 27.005, TS 27.007,
// V.250; PDU mode alone) on any io.ReadWriter, or on a pseudo-terminal like a USB stick, well enough for programs that
// drive real modems. What it is sent arrives at phones that only keep it: see Texts. Phones text back with Receive.
//
// A destination that ends in one of these digits rehearses a fault; the rest of the number is free, and so is its type.
// Nothing else about the number matters, and any other number is a phone that is on and in reach.
//
//	number   at the modem                              at the phone       status report
//	..99901  +CMS ERROR: 1, unassigned number          nothing            none
//	..99902  +CMS ERROR: 38, network out of order      nothing            none
//	..99903  no answer, then or later                  nothing            none
//	..99904  +CMGS after 3 Latency + Config.Late       the text           received
//	..99905  restarts instead of an answer             nothing            none
//	..99906  restarts instead of an answer             the text           received, after the restart
//	..99907  +CMGS                                     the text           none, ever
//	..99908  +CMGS                                     nothing            failed for good (41)
//	..99909  +CMGS                                     nothing            expired (46)
//	..99910  +CMGS                                     the text           still trying (20), then received
//	..99911  +CMS ERROR: 314, SIM busy; +CMGS on the   the text, on the   received
//	         second try to the same number             second try
//	..99912  ERROR                                     nothing            none
//	..99913  OK without +CMGS, as after ESC            nothing            none
//	..99914  is unplugged; back a second later         nothing            none
//	..99915  no answer, then or later                  the text           received
//	..99916  no answer, then or later                  the text           none, ever
//	..99917  a garbled answer                          the text           received
//	..99918  a garbled answer                          nothing            none
//	..99919  OK without +CMGS                          the text           received
//	..99920  +CMGS without OK                          the text           received
//	..99921  +CMGS, restarts instead of OK             the text           received, after the restart
//	..99922  is unplugged; back a second later         the text           received, once it is back
//	..99923  +CMS ERROR: 332, network timeout          the text           received
//	..99924  +CMGS                                     the text           received, before the +CMGS
//	..99925  +CMGS                                     the text           received, twice
//	..99926  +CMGS                                     the text           received; TP-RA is spelt in another way
//	..99927  +CMGS                                     the text           received, after that of the next text
//	..99928  +CMGS                                     the text, a        received, or expired, at the end of TP-VP if
//	                                                   minute later       that is before
//
// After 99903, 99904, 99915 and 99916 the modem takes commands again at once, as real ones do when their result has got
// lost. The late result of 99904 breaks into whatever goes on then; a second AT+CMGS in the meantime swallows it for good
// (seen in the Fibocom G510). With every other number octets that arrive before the result wait until it is out.
//
// The same faults, more of them, and those of the modem itself (it restarts, is unplugged, deaf, without network, its memory
// full...) strike on demand: see Fault, Modem.Inject, Config.Script and Config.Chaos. Modem.Faults tells which have struck,
// and whether the text reached anybody. A deaf modem does not answer the network either, which tries again.
//
// Modems of one Network reach each other's SIMs by their numbers. Such a text waits in the network while that modem is off
// or full; the sender's status report says still trying then, and received when the modem has taken the text.
//
// Config.Timing makes the modem as slow as real ones, and Config.Quirks as odd.
//
// What a real modem forgets when it is restarted (AT+CFUN=1,1; 99905; another call of Serve), this one forgets: echo is on
// again, AT+CNMI is 0,0,0,0,0, and a PIN must be entered. The SIM keeps its texts, its tries and its service centre, and
// the network keeps what it could not deliver. In one point it is kinder than some: a status report waits in the network
// until AT+CNMI has been set once since the start, where others would throw it away in between.
package sim
