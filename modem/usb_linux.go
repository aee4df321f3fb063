package modem

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// rebindPause is how long a USB device stays off.
const rebindPause = time.Second

// rebindUSB withdraws the USB device of a tty its authorization, and gives it back (Linux, Documentation/usb/
// authorization.rst): the drivers let go of it and take it anew, as if it had been pulled out and plugged in, but for
// its power.
func (s system) rebindUSB(ctx context.Context, port string) error {
	p, err := s.info(port)
	if err != nil {
		return fmt.Errorf("re-bind %s: %w", port, ErrPortMissing)
	}
	if p.usb == "" {
		return fmt.Errorf("re-bind %s: it belongs to no USB device", port)
	}
	return rebind(ctx, p)
}

// rebind does it for a port whose USB device is known, whether its tty is there or not.
func rebind(ctx context.Context, p PortInfo) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	file := filepath.Join(p.usb, "authorized")
	if word(p.usb, "idVendor") != p.Vendor || word(p.usb, "idProduct") != p.Product {
		return fmt.Errorf("re-bind %s: its USB device is gone: %w", p.Path, ErrPortMissing)
	}
	if err := authorize(file, "0"); err != nil {
		if errors.Is(err, unix.EROFS) {
			return fmt.Errorf("re-bind %s: %s is read-only for this service; let its unit write there (ReadWritePaths=/sys): %w",
				p.Path, file, err)
		}
		if errors.Is(err, fs.ErrPermission) {
			return fmt.Errorf("re-bind %s: no right to write %s; run as root, or give the group the right by a udev rule: "+
				`ACTION=="add", SUBSYSTEM=="usb", ATTR{idVendor}==%q, ATTR{idProduct}==%q, `+
				`RUN+="/bin/chgrp dialout /sys%%p/authorized", RUN+="/bin/chmod g+w /sys%%p/authorized": %w`,
				p.Path, file, p.Vendor, p.Product, err)
		}
		return fmt.Errorf("re-bind %s: %w", p.Path, err)
	}
	// What was switched off is switched on again, whatever ends meanwhile.
	waited := sleep(ctx, rebindPause)
	if err := authorize(file, "1"); err != nil {
		return fmt.Errorf("re-bind %s: it is off now, and does not come back: pull it out and plug it in again: %w", p.Path, err)
	}
	return waited
}

// authorize writes to a file of sysfs, which is there already.
func authorize(file, value string) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(value)
	return errors.Join(err, f.Close())
}
