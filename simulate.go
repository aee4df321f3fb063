package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"smsgateway/cli"
	"smsgateway/modem"
	"smsgateway/modem/sim"
)

func simulateCommand(in io.Reader, out io.Writer) *cobra.Command {
	var link, script, timing, like string
	var chaos sim.Chaos
	cfg := sim.Config{Latency: time.Second, ReportDelay: time.Second}
	cmd := &cobra.Command{
		Use:   "simulate",
		Short: "Be a GSM modem on a pseudo-terminal, and the network behind it",
		Long: `Opens a pseudo-terminal and speaks AT on it like a USB stick with a SIM, until
Ctrl-C. The first line of output is the path to put into port = "..." of a
[[modem]], or into any other program that drives a modem. What phones receive is
printed, a line a text, and each fault when it strikes. Lines typed here do things,
and it goes on when they end:

    text NUMBER MESSAGE    a phone texts the SIM
    fault FAULT            something goes wrong: with the next text, or at once
    faults                 what can go wrong, and how to write it

Numbers that end in 99901 to 99928 rehearse faults, and --script has them strike
by themselves: "at 10s unplug 3s rename", "after 5 refuse 38", a line each
(docs/simulator.md). --timing takes gsm or lte, as long as real modems take, or
instant, no time at all. Nothing is kept when it ends.`,
		Example: "  smsgateway modem simulate\n  smsgateway modem simulate --link /tmp/modem0 --latency 2s --pin 1234\n" +
			"  smsgateway modem simulate --like huawei --timing gsm --chaos 0.1 --seed 7",
		Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			wrongly := cmd.FlagErrorFunc() // makes it a fault of usage
			if !goodPIN(cfg.PIN) {
				return wrongly(cmd, errors.New("--pin is no PIN: that has 4 to 8 digits"))
			}
			var err error
			if cfg.Quirks, err = quirksLike(like); err != nil {
				return wrongly(cmd, fmt.Errorf("--%w", err))
			}
			if cfg.Timing, err = sim.TimingOf(timing); err != nil {
				return wrongly(cmd, fmt.Errorf("--%w", err))
			}
			cfg.Timing.Seed = chaos.Seed
			if timing == "instant" {
				instant(cmd, &cfg)
			}
			if cfg.Script, err = readScript(script); err != nil {
				return err
			}
			if chaos.Rate > 0 {
				cfg.Chaos = &chaos
			}
			return simulate(cmd.Context(), cfg, link, in, &console{out: out})
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&link, "link", "", "also make a symbolic link of this name to the pseudo-terminal")
	flags.StringVar(&cfg.PIN, "pin", "", "the PIN that the SIM asks for (it is a simulated one); none by default")
	flags.Var(valueOf(&cfg.IMEI, "string", imeiOf), "imei", "IMEI of the modem; made up by default")
	flags.Var(valueOf(&cfg.ICCID, "string", iccidOf), "iccid", "ICCID of the SIM; made up by default")
	flags.Var(valueOf(&cfg.Latency, "duration", timeOf), "latency", "from Ctrl-Z to +CMGS")
	flags.Var(valueOf(&cfg.ReportDelay, "duration", timeOf), "report-delay", "from +CMGS to the status report")
	noReports := valueOf(&cfg.RefuseReports, "bool", yesOrNo)
	flags.VarPF(noReports, "no-reports", "", "be a modem that gives no status reports").NoOptDefVal = "true"
	flags.Var(valueOf(&cfg.Number, "string", numberOf), "number", "number of the SIM; +491760000001 by default")
	flags.StringVar(&like, "like", "", "have the quirks of a make: "+strings.Join(sim.LikeNames(), ", "))
	flags.StringVar(&timing, "timing", "",
		"take as long as a real modem, instead of the times above: gsm, lte, or instant for no time")
	flags.StringVar(&script, "script", "", "file of faults that strike by themselves")
	flags.Var(valueOf(&chaos.Rate, "float", shareOf), "chaos", "share of the texts that meet a fault by chance, 0 to 1")
	flags.Var(valueOf(&chaos.Seed, "uint", seedOf), "seed", "of chance: the same seed, --imei and --iccid give the same faults")
	return cmd
}

// instant takes no time but for what was asked for.
func instant(cmd *cobra.Command, cfg *sim.Config) {
	if !cmd.Flags().Changed("latency") {
		cfg.Latency = 0
	}
	if !cmd.Flags().Changed("report-delay") {
		cfg.ReportDelay = 0
	}
}

// quirksLike is sim.Like, and no quirks for no name.
func quirksLike(name string) (sim.Quirks, error) {
	if name == "" {
		return sim.Quirks{}, nil
	}
	return sim.Like(name)
}

// readScript reads the file of --script; none without a name.
func readScript(name string) ([]sim.Step, error) {
	if name == "" {
		return nil, nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("read the script: %w", err)
	}
	defer f.Close()
	return sim.ParseScript(name, f)
}

// identify gives a simulated modem and its SIM numbers of their own, as two in one gateway must not be the same.
func identify(cfg *sim.Config) {
	for _, f := range []struct {
		at     *string
		prefix string
		digits int
	}{
		{&cfg.IMEI, "49015420", 14},
		{&cfg.IMSI, "26201", 15},
		{&cfg.ICCID, "8949010000", 19},
	} {
		if *f.at != "" {
			continue
		}
		*f.at = f.prefix
		for len(*f.at) < f.digits {
			*f.at += strconv.Itoa(rand.IntN(10))
		}
		if f.at == &cfg.IMEI {
			*f.at += string(modem.Luhn(*f.at))
		}
	}
}

func simulate(ctx context.Context, cfg sim.Config, link string, in io.Reader, con *console) error {
	cfg.Log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	cfg.OnText = func(t sim.Text) {
		if t.Whole {
			con.print(fmt.Sprintf("%s %s %q\n", t.At.Format(time.TimeOnly), t.To, t.Text))
		}
	}
	cfg.OnFault = func(s sim.Struck) {
		con.print(fmt.Sprintf("%s fault: %s\n", s.At.Format(time.TimeOnly), s.Fault))
	}
	identify(&cfg)
	m := sim.New(cfg)
	// Reading standard input can't be stopped, so nobody waits for this goroutine: it ends with the process, or at the
	// end of the input.
	go typed(in, m, con)
	back := false
	return m.ServePTY(ctx, link, func(path string) {
		if back {
			path = time.Now().Format(time.TimeOnly) + " back as " + path
		}
		back = true
		con.print(path + "\n")
	})
}

// typed does what is typed.
func typed(in io.Reader, m *sim.Modem, con *console) {
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		verb, rest, _ := strings.Cut(strings.TrimSpace(lines.Text()), " ")
		number, text, ok := strings.Cut(rest, " ")
		switch {
		case verb == "":
		case verb == "faults" || verb == "fault" && rest == "":
			for _, k := range sim.FaultKinds() {
				con.print(fmt.Sprintf("fault %-32s %s\n", k.Usage(), k.Effect()))
			}
		case verb == "fault":
			f, err := sim.ParseFault(rest)
			if err != nil {
				con.print(fmt.Sprintf("%v (type faults for all)\n", err))
				continue
			}
			m.Inject(f)
		case verb != "text" || !ok:
			con.print("type: text NUMBER MESSAGE, or: fault FAULT, or: faults\n")
		default:
			if err := m.Receive(number, text); err != nil {
				con.print(fmt.Sprintf("not sent: %v\n", err))
			}
		}
	}
}
