package e2e

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"
)

// serveSlowly starts the gateway on a disk that takes so long for each sync while the file slow is there. It returns at once.
func (s *stopping) serveSlowly(t *testing.T, hold time.Duration) (slow string) {
	t.Helper()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	slow = filepath.Join(s.dir, "slow")
	env, _ := underInjector(t, s.box, diskFault{Call: "fdatasync", Hold: hold, While: slow})
	s.p = startIn(t, []string{env}, s.log, os.Args[0], path, "serve", "--config", s.config)
	return slow
}

// childHas tells whether the injector's child has a file open.
func (s *stopping) childHas(path string) bool {
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", s.p.cmd.Process.Pid))
	for _, list := range lists {
		children, _ := os.ReadFile(list) // an error: the thread has ended
		for _, pid := range strings.Fields(string(children)) {
			links, _ := filepath.Glob("/proc/" + pid + "/fd/*")
			if slices.ContainsFunc(links, func(l string) bool { to, _ := os.Readlink(l); return to == path }) {
				return true
			}
		}
	}
	return false
}

func (s *stopping) touch(t *testing.T, path string) {
	t.Helper()
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
}

// slowDisk has texts on their way into the file, and into the modem, on a disk that takes so long for each sync.
func slowDisk(hold time.Duration) func(*testing.T, *stopping) {
	return func(t *testing.T, s *stopping) {
		slow := s.serveSlowly(t, hold)
		s.served(t, 0)
		s.e = s.bind(t, "shop")
		s.ready(t)
		s.sends(t, "4161231234", "before it")
		s.touch(t, slow)
		e := s.e
		for _, words := range []string{"slowly", "more slowly"} {
			s.asked.Go(func() {
				if id, err := e.Submit(text("4161231234", words)); err == nil {
					s.promised(id, "4161231234", words)
				}
			})
		}
		time.Sleep(300 * time.Millisecond)
	}
}

var diskStops = []stopRow{
	{name: "the disk is slow", twice: true, modem: []string{}, begin: slowDisk(time.Second), within: 15 * time.Second},
	{
		name: "the disk is too slow", modem: []string{}, set: settings{smpp: []string{`response = "1h"`}}, begin: slowDisk(time.Minute), signals: 1, long: true,
		within: stopBound, code: 1, says: "the stop was given up after 30s, waiting for the disk",
	},
	{
		name: "the file is compacted", twice: true,
		begin: func(t *testing.T, s *stopping) {
			slow := s.serveSlowly(t, time.Second)
			s.served(t, 0)
			s.e = s.bind(t, "shop")
			s.sends(t, "4161231234", "waits")
			s.touch(t, slow)
			s.request(t, "POST", "/v1/file/compact", "")
			eventually(t, "a new file", func() (bool, string) {
				_, err := os.Stat(filepath.Join(s.dir, "data", "gateway.db.compact.tmp"))
				return err == nil, ""
			})
		},
		within: 15 * time.Second,
		after:  func(t *testing.T, s *stopping) { os.Remove(filepath.Join(s.dir, "slow")) },
	},
	{
		name: "a file of an older version is taken over", twice: true, modem: []string{},
		begin: func(t *testing.T, s *stopping) {
			file := filepath.Join(s.dir, "data", "gateway.db")
			older(t, file)
			s.touch(t, filepath.Join(s.dir, "slow"))
			s.serveSlowly(t, time.Second)
			eventually(t, "the file to be open", func() (bool, string) { return s.childHas(file), "" })
		},
		within: 15 * time.Second,
	},
	{
		name: "the disk is full", modem: []string{"--latency", "2s"},
		begin: func(t *testing.T, s *stopping) {
			if err := os.RemoveAll(filepath.Join(s.dir, "data")); err != nil {
				t.Fatal(err)
			}
			d := newSmallDisk(t, "tmpfs", 8)
			s.onDisk(t, d)
			s.account(t, "shop")
			s.up(t)
			s.midSend(t)
			d.fill(t, 0)
		},
		within: 10 * time.Second,
		after:  func(t *testing.T, s *stopping) { os.Remove(filepath.Join(s.dir, "data", "of-others")) },
	},
}

// older makes a file one of format 2, which had neither quotas nor resubmits.
func older(t *testing.T, path string) {
	t.Helper()
	db, err := bolt.Open(path, 0o600, &bolt.Options{Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bolt.Tx) error {
		for _, name := range []string{"quotas", "resubmits"} {
			if err := tx.DeleteBucket([]byte(name)); err != nil {
				return err
			}
		}
		meta, key := tx.Bucket([]byte("meta")), []byte("format")
		record := binary.BigEndian.AppendUint32(meta.Get(key)[:1:1], 2)
		sum := crc32.New(crc32.MakeTable(crc32.Castagnoli))
		sum.Write([]byte("meta"))
		sum.Write(key)
		sum.Write(record)
		return meta.Put(key, sum.Sum(record))
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}
