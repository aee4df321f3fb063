package main

import (
	"fmt"
	"path/filepath"
	"reflect"
	"slices"

	"smsgateway/admin"
)

// list is each key of the configuration with its value, in the order of config.toml.example. A PIN is not shown. file is
// where it is from, "" for none: data_dir is taken from there.
func (c config) list(file string) []admin.ConfigKey {
	var list []admin.ConfigKey
	plain := defaults()
	if given, err := filepath.Rel(filepath.Dir(file), absolute(c.DataDir)); err == nil && given == plain.DataDir {
		plain.DataDir = c.DataDir
	}
	is, was := reflect.ValueOf(c), reflect.ValueOf(plain)
	for field := range reflect.TypeFor[config]().Fields() {
		key, v := field.Tag.Get("toml"), is.FieldByIndex(field.Index)
		switch {
		case v.Kind() == reflect.Struct:
			list = append(list, listTable(key, v, was.FieldByIndex(field.Index))...)
		case v.Kind() != reflect.Slice:
			list = append(list, admin.ConfigKey{Key: key, Value: v.Interface(), Default: v.Equal(was.FieldByIndex(field.Index))})
		}
	}
	for i := range c.Inbound {
		for _, s := range listTable("inbound", reflect.ValueOf(c.Inbound[i]), reflect.Zero(reflect.TypeFor[inboundRule]())) {
			s.Rule = i + 1
			list = append(list, s)
		}
	}
	for i, m := range c.Modems {
		for _, s := range listTable("modem", reflect.ValueOf(m), reflect.ValueOf(c.modemDefault(i))) {
			s.Modem = m.Name
			list = append(list, s)
		}
	}
	return list
}

func absolute(path string) string {
	if whole, err := filepath.Abs(path); err == nil {
		return whole
	}
	return path
}

// modemDefault is what each key of a modem would be if the file left that one out.
func (c config) modemDefault(i int) (plain modemConfig) {
	out := reflect.ValueOf(&plain).Elem()
	for field := range reflect.TypeFor[modemConfig]().Fields() {
		without := config{Modems: slices.Clone(c.Modems)}
		v := reflect.ValueOf(&without.Modems[i]).Elem().FieldByIndex(field.Index)
		v.SetZero()
		without.modemDefaults()
		out.FieldByIndex(field.Index).Set(v)
	}
	return plain
}

// listTable is each key of one table, which is as plain is where the file says nothing.
func listTable(table string, is, plain reflect.Value) (list []admin.ConfigKey) {
	for field := range is.Type().Fields() {
		v, p := is.FieldByIndex(field.Index), plain.FieldByIndex(field.Index)
		s := admin.ConfigKey{Key: table + "." + field.Tag.Get("toml"), Value: v.Interface(), Default: reflect.DeepEqual(v.Interface(), p.Interface())}
		switch value := s.Value.(type) {
		case duration:
			s.Value = value.String()
		case waitTime:
			s.Value = value.String()
		case []string:
			if value == nil {
				s.Value = []string{}
			}
		}
		if namesPIN.MatchString(s.Key) && s.Value != "" {
			s.Value, s.Hidden = "", true
		}
		list = append(list, s)
	}
	return list
}

// restartKeys are those that a gateway which runs does not change: addresses and the place of the file.
var restartKeys = []string{"data_dir", "smpp.listen", "smpp.tls_listen", "admin.listen"}

// difference is what a reload changes: a sentence for each key that is applied, and the keys that wait for a restart.
// inForce is next with these as they were.
func (c config) difference(next config) (inForce config, applied, waits []string) {
	inForce = next
	inForce.DataDir, inForce.Admin.Listen = c.DataDir, c.Admin.Listen
	inForce.SMPP.Listen, inForce.SMPP.TLSListen = c.SMPP.Listen, c.SMPP.TLSListen
	needsRestart := restartKeys
	if c.SMPP.TLSListen == "" || next.SMPP.TLSListen == "" { // without the port a certificate is for nobody
		inForce.SMPP.TLSCert, inForce.SMPP.TLSKey = c.SMPP.TLSCert, c.SMPP.TLSKey
		needsRestart = append(slices.Clone(restartKeys), "smpp.tls_cert", "smpp.tls_key")
	}
	old := make(map[string]admin.ConfigKey)
	for _, s := range c.list("") {
		if s.Modem == "" && s.Rule == 0 {
			old[s.Key] = s
		}
	}
	for _, s := range next.list("") {
		switch o, plain := old[s.Key]; {
		case !plain, reflect.DeepEqual(o.Value, s.Value):
		case slices.Contains(needsRestart, s.Key):
			waits = append(waits, s.Key)
		default:
			applied = append(applied, fmt.Sprintf("%s is %s", s.Key, admin.TOML(s.Value)))
		}
	}
	if !reflect.DeepEqual(c.Inbound, next.Inbound) {
		applied = append(applied, fmt.Sprintf("[[inbound]]: the rules are others; there are %d now", len(next.Inbound)))
	}
	return inForce, append(applied, c.modemDifference(next)...), waits
}

// modemDifference is a sentence for each modem that a reload changes.
func (c config) modemDifference(next config) (list []string) {
	old := make(map[string]modemConfig)
	for _, m := range c.Modems {
		old[m.Name] = m
	}
	for _, m := range next.Modems {
		o, there := old[m.Name]
		delete(old, m.Name)
		switch {
		case !there:
			list = append(list, fmt.Sprintf("modem %s: is added", m.Name))
			continue
		case !reflect.DeepEqual(o.driver(), m.driver()):
			list = append(list, fmt.Sprintf("modem %s: is started anew for %s, as soon as what it is sending has come to its end",
				m.Name, changedKeys(o.driver(), m.driver())))
		}
		o.Name, o.Port, o.Baud, o.PIN, o.SMSC, o.USBReset = m.Name, m.Port, m.Baud, m.PIN, m.SMSC, m.USBReset
		if keys := changedKeys(o, m); keys != "" {
			list = append(list, fmt.Sprintf("modem %s: %s, from the next message on", m.Name, keys))
		}
	}
	for _, m := range c.Modems {
		if _, gone := old[m.Name]; gone {
			list = append(list, fmt.Sprintf("modem %s: is taken out, as soon as what it is sending has come to its end", m.Name))
		}
	}
	return list
}

// changedKeys names the keys of a modem whose values differ.
func changedKeys(a, b modemConfig) (keys string) {
	va, vb := reflect.ValueOf(a), reflect.ValueOf(b)
	for field := range va.Type().Fields() {
		if !reflect.DeepEqual(va.FieldByIndex(field.Index).Interface(), vb.FieldByIndex(field.Index).Interface()) {
			if keys != "" {
				keys += ", "
			}
			keys += field.Tag.Get("toml")
		}
	}
	return keys
}
