package sim

import (
	"time"

	"smsgateway/sms"
)

// answer is what the driver hears after Ctrl-Z.
type answer uint8

const (
	answerResult answer = iota // +CMGS and OK, or the error in refused
	answerNever
	answerLate
	answerGarbled
	answerOK             // OK without +CMGS
	answerNoOK           // +CMGS without OK
	answerRestart        // boot URCs
	answerUnplug         // the end of the line
	answerBetweenRestart // +CMGS, then boot URCs
	answerBetweenUnplug  // +CMGS, then the end of the line
)

// atPrompt is what the driver hears after AT+CMGS.
type atPrompt uint8

const (
	promptOnce atPrompt = iota
	promptTwice
	promptNever
	promptRefused
	promptRestart
	promptUnplug
	promptBlocked // and then nothing is read
)

// effect is what a text meets with.
type effect struct {
	fault   Fault // the zero one: none
	prompt  atPrompt
	answer  answer
	refused error         // instead of the prompt, or of +CMGS
	lost    bool          // nobody gets the text
	held    time.Duration // the service centre has it for so long before the phone can be reached
	reports reporting
	struck  *Struck // once it has
}

// The statuses that faults report (TS 23.040 §9.2.3.15).
const (
	statusCongestion   sms.Status = 0x20
	statusNoResponse   sms.Status = 0x22
	statusErrorInSME   sms.Status = 0x25
	statusIncompatible sms.Status = 0x41
	statusExpired      sms.Status = 0x46
)

// ordinary is what a text meets without a fault.
func ordinary() effect {
	return effect{reports: reporting{statuses: []sms.Status{sms.StatusReceived}}}
}

// effectOf returns what a text meets with this fault.
func effectOf(f Fault) effect {
	e := ordinary()
	e.fault = f
	switch f.Kind {
	case FaultRefuse, FaultRefuseCME, FaultRefuseError, FaultRefuseSent:
		e.refused, e.lost = errorOf(f), f.Kind != FaultRefuseSent
	case FaultRefusePrompt, FaultRefusePromptCME, FaultRefusePromptError:
		e.prompt, e.refused, e.lost = promptRefused, errorOf(f), true
	case FaultPromptNever:
		e.prompt, e.lost = promptNever, true
	case FaultPromptTwice:
		e.prompt = promptTwice
	case FaultBlocked:
		e.prompt = promptBlocked
	case FaultSilentSent, FaultSilentLost:
		e.answer, e.lost = answerNever, f.Kind == FaultSilentLost
	case FaultSilentUnreported:
		e.answer, e.reports = answerNever, reporting{}
	case FaultLate:
		e.answer = answerLate
	case FaultGarbledSent, FaultGarbledLost:
		e.answer, e.lost = answerGarbled, f.Kind == FaultGarbledLost
	case FaultNoReferenceSent, FaultNoReferenceLost:
		e.answer, e.lost = answerOK, f.Kind == FaultNoReferenceLost
	case FaultNoOK:
		e.answer = answerNoOK
	case FaultResetPrompt, FaultUnplugPrompt:
		e.prompt, e.lost = promptRestart, true
		if f.Kind == FaultUnplugPrompt {
			e.prompt = promptUnplug
		}
	case FaultResetSent, FaultResetLost:
		e.answer, e.lost = answerRestart, f.Kind == FaultResetLost
	case FaultResetBetween:
		e.answer = answerBetweenRestart
	case FaultUnplugSent, FaultUnplugLost:
		e.answer, e.lost = answerUnplug, f.Kind == FaultUnplugLost
	case FaultUnplugBetween:
		e.answer = answerBetweenUnplug
	case FaultPhoneOff:
		e.held = f.lasting()
		return e
	default:
		e.reported(f)
		return e
	}
	if e.lost {
		e.reports = reporting{}
	}
	return e
}

// reported is effectOf for the kinds about status reports.
func (e *effect) reported(f Fault) {
	r := &e.reports
	switch f.Kind {
	case FaultReportFirst:
		r.first = true
	case FaultReportNever:
		r.statuses = nil
	case FaultReportTwice:
		r.statuses = []sms.Status{sms.StatusReceived, sms.StatusReceived}
	case FaultReportFailed:
		e.lost, r.statuses = true, []sms.Status{statusIncompatible}
		if f.Code > 0 {
			r.statuses[0] = sms.Status(f.Code)
		}
	case FaultReportExpired:
		e.lost, r.statuses = true, []sms.Status{statusExpired}
	case FaultReportInterim:
		r.statuses = []sms.Status{statusCongestion, sms.StatusReceived}
	case FaultReportRespelled:
		r.respelled = true
	case FaultReportSwapped:
		r.swapped = true
	}
}

// plain tells whether the reports are those of a text without a fault.
func (r reporting) plain() bool {
	return len(r.statuses) == 1 && r.statuses[0] == sms.StatusReceived && !r.first && !r.swapped && !r.respelled
}

// errorOf is the error of a refusal.
func errorOf(f Fault) error {
	switch f.Kind {
	case FaultRefuseCME, FaultRefusePromptCME:
		return cmeError(f.Code)
	case FaultRefuseError, FaultRefusePromptError:
		return errPlain
	}
	return cmsError(f.Code)
}

// local tells whether the modem refuses by itself, so that the text takes no reference: +CME ERROR, and the +CMS ERRORs
// of the terminal, but for the network's timeout (TS 27.005 §3.2.5).
func local(refused error) bool {
	switch code := refused.(type) {
	case cmeError:
		return true
	case cmsError:
		return code >= 300 && code < 500 && code != cmsNetworkTimeout
	}
	return false
}

// nextEffect takes the fault that the next AT+CMGS meets: an injected one, else one of chaos.
func (t *terminal) nextEffect() effect {
	m := t.m
	if len(m.faults) == 0 {
		m.draws()
	}
	for len(m.due) > 0 { // chaos may strike the modem just now
		t.strike()
	}
	if len(m.faults) == 0 {
		return ordinary()
	}
	f := m.faults[0]
	m.faults = m.faults[1:]
	return effectOf(f)
}

// spare keeps the fault of a text that was none for the next one.
func (t *terminal) spare(e effect) {
	if e.fault.Kind != 0 {
		t.m.faults = append([]Fault{e.fault}, t.m.faults...)
	}
}

// prompted answers AT+CMGS: with a prompt, behind which typed gets the body, or as the effect says.
func (t *terminal) prompted(e effect, typed func(body string)) error {
	switch e.prompt {
	case promptRefused:
		t.m.strikes(e.fault, sms.Address{})
		return e.refused
	case promptNever:
		t.m.strikes(e.fault, sms.Address{})
		return errLater
	case promptRestart:
		t.m.strikes(e.fault, sms.Address{})
		t.after(0, t.reboot)
		return errLater
	case promptUnplug:
		t.m.strikes(e.fault, sms.Address{})
		t.unplug(e.fault)
		return errLater
	}
	open := func() {
		t.busy = false
		t.open(&prompt{done: typed, cancelled: func() { t.spare(e) }})
		switch e.prompt {
		case promptTwice:
			t.out.write("\r\n> ")
		case promptBlocked:
			t.blockedUntil = time.Now().Add(e.fault.lasting())
		}
	}
	if wait := t.m.draw(t.m.cfg.Timing.Prompt, 0); wait > 0 {
		t.busy = true
		t.after(wait, open)
	} else {
		open()
	}
	return errLater
}
