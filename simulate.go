package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"smsgateway/modem/sim"
)

func simulateCommand(in io.Reader, out io.Writer) *cobra.Command {
	var link, script, timing, like string
	var chaos sim.Chaos
	cfg := sim.Config{}
	cmd := &cobra.Command{
		Use:   "simulate",
		Short: "Be a GSM modem on a pseudo-terminal, and the network behind it",
		Long: `Opens a pseudo-terminal and speaks AT on it like a USB stick with a SIM, until
Ctrl-C. The first line of output is the path to put into port = "..." of a
[[modem]], or into any other program that drives a modem. What phones receive is
printed, a line a text. Lines typed here do things:

    text NUMBER MESSAGE    a phone texts the SIM
    fault FAULT            something goes wrong: with the next text, or at once
    faults                 what can go wrong, and how to write it

Numbers that end in 99901 to 99927 rehearse faults, and --script has them strike
by themselves: "at 10s unplug 3s rename", "after 5 refuse 38", a line each
(docs/simulator.md). Nothing is kept when it ends.`,
		Example: "  smsgateway modem simulate\n  smsgateway modem simulate --link /tmp/modem0 --latency 2s --pin 1234\n" +
			"  smsgateway modem simulate --like huawei --timing gsm --chaos 0.1 --seed 7",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if cfg.Quirks, err = quirksLike(like); err != nil {
				return err
			}
			if cfg.Timing, err = sim.TimingOf(timing); err != nil {
				return err
			}
			cfg.Timing.Seed = chaos.Seed
			if cfg.Script, err = readScript(script); err != nil {
				return err
			}
			if chaos.Rate < 0 || chaos.Rate > 1 {
				return fmt.Errorf("chaos %g: write a share of the texts, 0 to 1, such as 0.1", chaos.Rate)
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
	flags.StringVar(&cfg.IMEI, "imei", "", "IMEI of the modem; made up by default")
	flags.StringVar(&cfg.ICCID, "iccid", "", "ICCID of the SIM; made up by default")
	flags.DurationVar(&cfg.Latency, "latency", time.Second, "from Ctrl-Z to +CMGS")
	flags.DurationVar(&cfg.ReportDelay, "report-delay", time.Second, "from +CMGS to the status report")
	flags.BoolVar(&cfg.RefuseReports, "no-reports", false, "be a modem that gives no status reports")
	flags.StringVar(&cfg.Number, "number", "", "number of the SIM; +491760000001 by default")
	flags.StringVar(&like, "like", "", "have the quirks of a make: "+strings.Join(sim.LikeNames(), ", "))
	flags.StringVar(&timing, "timing", "", "take as long as a real modem: gsm or lte, instead of the times above")
	flags.StringVar(&script, "script", "", "file of faults that strike by themselves")
	flags.Float64Var(&chaos.Rate, "chaos", 0, "share of the texts that meet a fault by chance, 0 to 1")
	flags.Uint64Var(&chaos.Seed, "seed", 0, "of chance: the same seed, --imei and --iccid give the same faults")
	return cmd
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
		{&cfg.IMEI, "49015420", 15},
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
	}
}

func simulate(ctx context.Context, cfg sim.Config, link string, in io.Reader, con *console) error {
	cfg.Log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	cfg.OnText = func(t sim.Text) {
		if t.Whole {
			con.print(fmt.Sprintf("%s %s %q\n", t.At.Format(time.TimeOnly), t.To, t.Text))
		}
	}
	identify(&cfg)
	m := sim.New(cfg)
	// Reading standard input can't be stopped, so nobody waits for this goroutine: it ends with the process, or at the
	// end of the input.
	go typed(in, m, con)
	return m.ServePTY(ctx, link, func(path string) { con.print(path + "\n") })
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
