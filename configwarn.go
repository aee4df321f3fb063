package main

import (
	"log/slog"
	"path/filepath"
)

// warnSamePort says which modems have ports that lead to one device now. Links change, so this is no fault of the
// configuration; while it is so, one modem of them works.
func (c config) warnSamePort(log *slog.Logger) {
	first := make(map[string]modemConfig) // by the path without links
	for _, m := range c.Modems {
		if !filepath.IsAbs(m.Port) {
			continue
		}
		device, err := filepath.EvalSymlinks(m.Port)
		if err != nil {
			continue
		}
		if o, ok := first[device]; ok {
			log.Warn("two modems have one port now; give each its own", "modem", o.Name, "port", o.Port,
				"other", m.Name, "other_port", m.Port, "device", device)
			continue
		}
		first[device] = m
	}
}
