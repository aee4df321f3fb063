// Package scenario runs faults of modems through the whole gateway: an SMPP client on TCP at one end, simulated modems on
// pseudo-terminals and their phones at the other, the store on disk in between. Only the waits are shortened. It holds
// tests alone.
//
//	rig_test.go       the gateway, its modems and a client
//	scenario_test.go  one named case for each fault: what reached the phones, what query_sm and the receipts said
//	soak_test.go      thousands of messages through several modems with faults from a seed
//	model_test.go     clients at random against a model of the rules, with stops and crashes of the gateway; modelops_test.go and
//	                  modelmore_test.go what they do, modelbox_test.go the gateway that they do it to
package scenario
