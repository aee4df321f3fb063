package gateway

import "time"

// HoldNext sets how long a message is kept ready behind one that the modem does not get done with.
func (g *Gateway) HoldNext(d time.Duration) { g.holdNext = d }
