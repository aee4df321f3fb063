package gateway

import (
	"smsgateway/modem"
	"smsgateway/store"
)

// ModemMemory keeps in the store which modem goes by which name, and where it was last, so that it is known again after a
// restart whatever its port is called then. It is for a modem.Finder.
func (g *Gateway) ModemMemory() modem.Memory { return modemMemory{g.db} }

// modemMemory implements modem.Memory.
type modemMemory struct{ db *store.DB }

func (m modemMemory) Modem(name string) (modem.Known, bool, error) {
	s, err := m.db.Modem(name)
	known := modem.Known{
		Identity: modem.Identity{IMEI: s.IMEI, ICCID: s.ICCID, Model: s.Model},
		Spec:     s.Spec, Port: s.Port, Node: s.Node, HomeIMEI: s.HomeIMEI, HomeICCID: s.HomeICCID,
	}
	return known, known != modem.Known{}, err
}

func (m modemMemory) RememberModem(name string, k modem.Known) error {
	_, err := m.db.UpdateModem(name, func(s *store.ModemState) error {
		s.IMEI, s.ICCID, s.Model = k.IMEI, k.ICCID, k.Model
		s.Spec, s.Port, s.Node = k.Spec, k.Port, k.Node
		s.HomeIMEI, s.HomeICCID = k.HomeIMEI, k.HomeICCID
		return nil
	})
	return err
}
