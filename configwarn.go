package main

import "log/slog"

// warnSamePort says which modems have ports that lead to one device now. Links change, so this is no fault of the
// configuration; while it is so, one modem of them works.
func (c config) warnSamePort(log *slog.Logger) {
	c.samePorts(func(m, before modemConfig, device string) {
		log.Warn("two modems have one port now; give each its own", "modem", before.Name, "port", before.Port,
			"other", m.Name, "other_port", m.Port, "device", device)
	})
}
