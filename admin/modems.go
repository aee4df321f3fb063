package admin

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"smsgateway/gateway"
	"smsgateway/modem"
	"smsgateway/store"
)

func (a *api) modems(*http.Request) (any, error) {
	list := []Modem{}
	for _, v := range a.g.ModemViews() {
		m := modemOf(v.Status)
		m.Paused, m.Waiting = v.Paused, v.Waiting
		list = append(list, m)
	}
	return list, nil
}

func (a *api) modem(r *http.Request) (any, error) {
	v, err := a.g.ModemView(r.PathValue("name"))
	if err != nil {
		return nil, aboutModem(err)
	}
	d := detailOf(v)
	if p, ok := a.g.PortOf(v.Status); ok {
		d.Device = p.String()
	}
	return d, nil
}

func (a *api) modemCommand(r *http.Request) (any, error) {
	req, err := read[command](r)
	if err != nil {
		return nil, err
	}
	lines, err := a.g.Command(r.Context(), r.PathValue("name"), req.Command)
	if err != nil && len(lines) == 0 {
		return nil, aboutModem(err)
	}
	answer := Answer{Lines: lines}
	if err != nil {
		answer.Error = modem.Explain(err)
	}
	return answer, nil
}

func (a *api) modemUSSD(r *http.Request) (any, error) {
	req, err := read[ussdCode](r)
	if err != nil {
		return nil, err
	}
	reply, err := a.g.USSD(r.Context(), r.PathValue("name"), req.Code)
	if err != nil {
		return nil, aboutModem(err)
	}
	return USSD{reply.Text, reply.More}, nil
}

func (a *api) modemBalance(r *http.Request) (any, error) {
	b, err := a.g.ReadBalance(r.Context(), r.PathValue("name"))
	if err != nil {
		return nil, aboutModem(err)
	}
	return balanceOf(b), nil
}

func (a *api) endUSSD(r *http.Request) (any, error) {
	return nil, aboutModem(a.g.EndUSSD(r.Context(), r.PathValue("name")))
}

func (a *api) resetModem(r *http.Request) (any, error) {
	return nil, aboutModem(a.g.ResetModem(r.Context(), r.PathValue("name")))
}

func (a *api) pauseModem(r *http.Request) (any, error) {
	req, err := read[pauseReason](r)
	if err != nil {
		return nil, err
	}
	return nil, aboutModem(a.g.PauseModem(r.PathValue("name"), req.Reason))
}

func (a *api) resumeModem(r *http.Request) (any, error) {
	return nil, aboutModem(a.g.ResumeModem(r.PathValue("name")))
}

// ports lists all, or tells of the one that the query names.
func (a *api) ports(r *http.Request) (any, error) {
	if path := r.URL.Query().Get("path"); path != "" {
		p, err := a.g.Port(path)
		if err != nil {
			return nil, err
		}
		return portOf(p), nil
	}
	ports, sticks, err := a.g.Ports()
	if err != nil {
		return nil, err
	}
	list := Ports{Ports: []Port{}, Sticks: []Stick{}}
	for _, p := range ports {
		list.Ports = append(list.Ports, portOf(p))
	}
	for _, s := range sticks {
		list.Sticks = append(list.Sticks, Stick{s.Vendor + ":" + s.Product,
			strings.TrimSpace(s.Manufacturer + " " + s.Model), s.What, s.Cure})
	}
	return list, nil
}

func (a *api) probe(r *http.Request) (any, error) {
	req, err := read[probePort](r)
	if err != nil {
		return nil, err
	}
	found, err := a.g.ProbePort(r.Context(), req.Port, req.Baud)
	if err != nil {
		return nil, aboutModem(err)
	}
	return probeOf(found), nil
}

func (a *api) doctor(r *http.Request) (any, error) {
	found, err := a.g.Diagnose(r.Context())
	if err != nil {
		return nil, err
	}
	list := []Finding{}
	for _, f := range found {
		list = append(list, Finding{string(f.Severity), f.About, f.What, f.Cure})
	}
	return list, nil
}

// aboutModem makes an answer of what a modem, or its line, said. Errors of the store stay as they are.
func aboutModem(err error) error {
	var input *gateway.InputError
	var inUse *gateway.InUseError
	var refused *modem.CommandError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &input) && input.What == "modem":
		return refuse(http.StatusNotFound, "modem %s", input.Why)
	case errors.As(err, &input) && input.What == "balance": // the configuration does not have it
		return refuse(http.StatusConflict, "%s", input)
	case errors.As(err, &input), errors.Is(err, gateway.ErrNotRunning), errors.Is(err, store.ErrFailed), errors.Is(err,
		store.ErrClosed),
		errors.Is(err, store.ErrDiskFull):
		return err
	case errors.As(err, &refused), errors.Is(err, modem.ErrUSSDCode), errors.Is(err, modem.ErrUSSDSecret):
		return refuse(http.StatusBadRequest, "%s", err)
	case errors.As(err, &inUse), errors.Is(err, modem.ErrLineClosed), errors.Is(err, modem.ErrPortBusy):
		return refuse(http.StatusConflict, "%s", err)
	case errors.Is(err, context.DeadlineExceeded):
		return refuse(http.StatusGatewayTimeout,
			"the modem was busy, or did not answer, for too long; see smsgateway modem list")
	}
	return refuse(http.StatusBadGateway, "%s", strings.TrimSuffix(modem.Explain(err), "."))
}

func modemOf(s modem.Status) Modem {
	return Modem{
		Name:         s.Name,
		Port:         s.Port,
		State:        string(s.State),
		Since:        s.Since.UTC(),
		Manufacturer: s.Manufacturer,
		Model:        s.Model,
		IMEI:         s.IMEI,
		ICCID:        s.ICCID,
		Operator:     s.Operator,
		Registration: s.RegistrationText,
		SignalDBm:    s.Signal,
		SMSC:         s.SMSC,
		Reports:      s.Reports,
		Sent:         s.Sent,
		Refused:      s.Refused,
		Uncertain:    s.Uncertain,
		Received:     s.Texts,
		LastError:    s.LastError,
		LastErrorAt:  s.LastErrorAt.UTC(),
		Unregistered: s.Unregistered.UTC(),
		NetworkIsOld: !gateway.IsOpen(s.State),
		Awaiting:     s.Awaiting.UTC(),
		AwaitedUntil: s.AwaitedUntil.UTC(),
		Awaited:      gateway.Awaited(s, time.Now()),
		ErrorIsOld:   gateway.IsOldError(s),
		StateWords:   gateway.StateWords(s),
	}
}

func detailOf(v gateway.ModemView) ModemDetail {
	d := ModemDetail{
		Modem:         modemOf(v.Status),
		Revision:      v.Revision,
		IMSI:          v.IMSI,
		SignalWord:    gateway.SignalWord(v.Signal),
		ReportsStored: v.ReportsStored,
		Store:         v.Store,
		KeepsLink:     v.KeepsLink,
		MemoryFull:    v.Memory,
		Route:         v.Route,
		Spills:        v.Spills,
		Budget:        []Budget{},
		QuietHours:    v.QuietHours,
		Quiet:         v.Quiet,
		PausedReason:  v.PausedReason,
		PausedAt:      v.PausedAt.UTC(),
		BarredUntil:   v.BarredUntil.UTC(),
		Alarm:         v.Alarm,
		Opens:         v.Opens,
		Unwell:        v.Unwell.UTC(),
		Ladder:        climbsOf(v.Ladder),
		Climbed:       climbsOf(v.Climbed),
		Down:          v.Down,
		DownCause:     v.DownCause,
	}
	d.Paused, d.Waiting = v.Paused, v.Waiting
	if v.SpillAfter > 0 {
		d.SpillAfter = v.SpillAfter.Round(time.Second).String()
	}
	for _, b := range v.Budget {
		d.Budget = append(d.Budget, Budget{b.Window, b.Used, b.Limit, b.Resets.UTC()})
	}
	if b := v.Balance; b.Watched || b.Amount != "" {
		balance := balanceOf(b)
		d.Balance = &balance
	}
	return d
}

func balanceOf(b gateway.Balance) Balance {
	return Balance{b.Amount, b.Text, b.At.UTC(), b.Limit, b.Low, b.Ignored, b.Bare, b.Trouble}
}

func climbsOf(list []modem.Climb) []Climb {
	climbs := make([]Climb, 0, len(list))
	for _, c := range list {
		climbs = append(climbs, Climb{c.Rung.String(), c.Times, c.Last.UTC(), c.Cause})
	}
	return climbs
}

func portOf(p gateway.Port) Port {
	v := Port{
		Path: p.Path, Device: p.Device, Name: strings.TrimSpace(p.Manufacturer + " " + p.Model), Serial: p.Serial,
		Interface: p.Interface, Driver: p.Driver, ModemOfStick: p.Stick,
	}
	if p.Vendor != "" {
		v.USB = p.Vendor + ":" + p.Product
	}
	if p.Modem != nil {
		v.Modem, v.ModemState = p.Modem.Name, string(p.Modem.State)
	}
	return v
}

func probeOf(p modem.Probed) Probe {
	return Probe{
		Port:         p.Port,
		AnswersAT:    p.AnswersAT,
		SMS:          p.SMS,
		Manufacturer: p.Manufacturer,
		Model:        p.Model,
		Revision:     p.Revision,
		IMEI:         p.IMEI,
		Spec:         p.Spec(),
		ICCID:        p.ICCID,
		IMSI:         p.IMSI,
		SIM:          p.SIMText,
		WantsPIN:     p.SIM == "SIM PIN",
		PINTries:     max(p.PINTries, 0),
		Registration: p.RegistrationText,
		Registered:   p.Registered,
		Operator:     p.Operator,
		SignalDBm:    p.Signal,
		SignalWord:   gateway.SignalWord(p.Signal),
		SMSC:         p.SMSC,
		Reports:      p.Reports,
		KeepsLink:    p.KeepsLink,
		Store:        p.Memory,
		StoreUsed:    p.Used,
		StoreRoom:    p.Total,
	}
}
