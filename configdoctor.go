package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"smsgateway/gateway"
)

// aboutConfig is what findings about the configuration file are about.
const aboutConfig = "config"

// configFile is what the doctor says of the file on disk, which may not be what is in force: whether the gateway could be
// started with it, and whether all of it is in force. A faulty one is found when the power comes back, else.
func (b *box) configFile() []gateway.Finding {
	if b.opt.reread == nil {
		return nil
	}
	file := cmp.Or(b.opt.file, fileOf(""))
	if _, err := os.Stat(b.opt.file); b.opt.file != "" && errors.Is(err, fs.ErrNotExist) {
		return []gateway.Finding{{Severity: gateway.Warn, About: aboutConfig,
			What: file + " is no more there: what runs keeps what it has read, but a start would fail, or take the defaults.",
			Cure: "Put it back; for the defaults put an empty file in its place."}}
	}
	next, err := checked(b.opt.reread())
	if err != nil {
		return []gateway.Finding{{Severity: gateway.Warn, About: aboutConfig,
			What: "The gateway runs with what it has read, but could not be started again: " + faultWords(err) + ".",
			Cure: "Mend the file; `smsgateway config check` tells all faults."}}
	}
	if file == "" {
		return noFile()
	}
	_, applied, waits := b.config().difference(next)
	cure := "Put it into force: `smsgateway config reload`."
	if len(applied) == 0 {
		cure = "Restart the gateway."
	}
	for _, key := range waits {
		applied = append(applied, key+" is another, which needs a restart")
	}
	if len(applied) > 0 {
		return []gateway.Finding{{Severity: gateway.Note, About: aboutConfig,
			What: fmt.Sprintf("%s has no faults, and not all of it is in force: %s.", file, strings.Join(applied, "; ")), Cure: cure}}
	}
	return []gateway.Finding{{Severity: gateway.OK, About: aboutConfig, What: file + " has no faults, and is in force."}}
}

// findings is what the doctor says where no gateway runs. The file itself has been read without a fault then.
func (f onFile) findings() []gateway.Finding {
	_, err := checked(f.cfg, nil)
	switch {
	case err != nil:
		return []gateway.Finding{{Severity: gateway.Fault, About: aboutConfig,
			What: "The gateway can't be started: " + faultWords(err) + ".",
			Cure: "Mend the configuration; `smsgateway config check` tells all faults."}}
	case f.file == "":
		return noFile()
	}
	return []gateway.Finding{{Severity: gateway.OK, About: aboutConfig, What: f.file + " has no faults."}}
}

func noFile() []gateway.Finding {
	return []gateway.Finding{{Severity: gateway.OK, About: aboutConfig,
		What: "There is no " + defaultConfig + ": the defaults hold."}}
}

// mostFaults is how many of them a finding tells.
const mostFaults = 5

// faultWords are the faults of a configuration in a line, without a full stop.
func faultWords(err error) string {
	all := faultsOf(err)
	var words []string
	for _, err := range all[:min(len(all), mostFaults)] {
		first, _, _ := strings.Cut(err.Error(), "\n") // the place itself is in further lines
		words = append(words, strings.TrimSuffix(first, "."))
	}
	if more := len(all) - len(words); more > 0 {
		words = append(words, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(words, "; ")
}
