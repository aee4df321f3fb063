package e2e

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// sector is what a disk writes whole or not at all.
const sector = 512

// filePage is how an image is cut, for the sake of memory.
const filePage = 4096

// image is what a file holds. Pages are shared between images and never changed; what has no page is zero.
type image struct {
	size  int64
	pages map[int64]*[filePage]byte
	of    *inode // whose it is, on a disk that was rebuilt
}

func newImage() *image { return &image{pages: make(map[int64]*[filePage]byte)} }

func (f *image) clone() *image { return &image{f.size, maps.Clone(f.pages), f.of} }

// write puts the sectors of data that are kept.
func (f *image) write(off int64, data []byte, kept func(n int64) bool) {
	for len(data) > 0 {
		n := min(int64(len(data)), sector-off%sector)
		if kept(off / sector) {
			f.put(off, data[:n])
			f.size = max(f.size, off+n)
		}
		off, data = off+n, data[n:]
	}
}

// put writes within a sector.
func (f *image) put(off int64, data []byte) {
	page := new([filePage]byte)
	if old := f.pages[off/filePage]; old != nil {
		*page = *old
	}
	copy(page[off%filePage:], data)
	f.pages[off/filePage] = page
}

func (f *image) truncate(size int64) {
	for n, page := range f.pages {
		switch at := n * filePage; {
		case at >= size:
			delete(f.pages, n)
		case at+filePage > size:
			cut := *page
			clear(cut[size-at:])
			f.pages[n] = &cut
		}
	}
	f.size = size
}

// expose has the file end at size, and stale blocks of the disk turn up in what was never written: copies of its own
// older pages, as likely as anything and harder to tell.
func (f *image) expose(size int64) {
	const most = 64
	old := slices.Sorted(maps.Keys(f.pages))
	first := (f.size + filePage - 1) / filePage
	f.size = max(f.size, size)
	for n := first; len(old) > 0 && n < min(first+most, size/filePage); n++ {
		f.pages[n] = f.pages[old[int(n)%len(old)]]
	}
}

func (f *image) save(path string) error {
	out, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	for n, page := range f.pages {
		if _, err := out.WriteAt(page[:], n*filePage); err != nil {
			return err
		}
	}
	return out.Truncate(f.size)
}

// inode is a file or a directory.
type inode struct {
	image   *image            // of a file: what is certainly on disk
	entries map[string]*inode // of a directory: likewise
}

// What a change does.
const (
	changeData   = iota // octets of a file
	changeSize          // its size
	changeAlloc         // it becomes longer, if it is not as long yet; there are zeroes
	changeEntry         // a name in a directory comes to be
	changeGone          // it goes
	changeRename        // a name takes the place of another
)

// change is one change of a file or a directory. Until a sync of it that began later has ended, a power cut keeps it or
// does not, whatever becomes of others.
type change struct {
	kind       int
	of         *inode // whose sync makes it last
	begin, end int    // lines of the trace
	off        int64
	data       []byte
	size       int64
	name, old  string
	entry      *inode
}

func (c *change) String() string {
	switch c.kind {
	case changeData:
		return fmt.Sprintf("%d octets at %d", len(c.data), c.off)
	case changeSize:
		return fmt.Sprintf("size %d", c.size)
	case changeAlloc:
		return fmt.Sprintf("allocated up to %d", c.size)
	case changeEntry:
		return "name " + c.name
	case changeGone:
		return "no name " + c.name
	}
	return "name " + c.name + " for " + c.old
}

// disk follows the files below a directory through a trace: what is certainly on disk, and what may be.
type disk struct {
	root    string
	top     *inode
	now     map[string]*inode // by path: what the program sees
	opened  map[string]*seat  // by descriptor of the process that runs
	pending []*change         // in their order
	writes  int
	syncs   int
	ousted  []ousting
}

// seat is a file that is open, and where write(2) writes next.
type seat struct {
	node *inode
	at   int64
}

// ousting is a rename onto a name that another file had.
type ousting struct {
	name     string // without the directory
	from     string // the name before
	old, new *inode
}

func newDisk(root string) *disk {
	top := &inode{entries: make(map[string]*inode)}
	return &disk{root: root, top: top, now: map[string]*inode{root: top}, opened: make(map[string]*seat)}
}

func (d *disk) holds(path string) bool { return path == d.root || strings.HasPrefix(path, d.root+"/") }

// step takes in a moment of the trace, and tells whether what a power cut leaves is another thing from here on.
func (d *disk) step(m moment) (changed bool, err error) {
	c := m.call
	if c.failed() && (c.name != "fallocate" || c.undone) {
		return false, nil
	}
	if c.isOdd() {
		return false, d.refuse(c)
	}
	switch c.name {
	case "execve": // another process
		clear(d.opened)
	case "openat":
		if m.ends {
			return d.open(c)
		}
	case "dup":
		if s, err := d.file(c); m.ends && err == nil && s != nil {
			d.opened[fmt.Sprint(c.ret)] = s // with the same place to write
		} else if m.ends {
			delete(d.opened, fmt.Sprint(c.ret))
		}
	case "close":
		if fd, _ := c.fd(); m.ends {
			delete(d.opened, fd)
		}
	case "pwrite64", "write", "writev", "ftruncate", "fallocate":
		if !m.ends {
			return d.write(c)
		}
	case "fsync", "fdatasync":
		if m.ends {
			return d.sync(c)
		}
	case "link", "linkat", "unlink", "unlinkat", "rmdir", "rename", "renameat", "renameat2", "mkdir", "mkdirat":
		// Who was killed in a rename was held before it: killedInCompaction makes sure of that.
		if !m.ends && c.returned {
			return d.name(c)
		}
	case "mmap":
		_, mapped, _ := strings.Cut(c.text, "MAP_SHARED, ")
		if _, what := (&sysCall{text: mapped}).fd(); d.holds(what) && strings.Contains(c.text, "PROT_WRITE") {
			return false, fmt.Errorf("%s is mapped for writing: no trace shows what is written so", what)
		}
	}
	return false, nil
}

// refuse looks at calls that the model does not know: on files of ours they would make it wrong.
func (d *disk) refuse(c *sysCall) error {
	list, err := c.paths()
	if err != nil {
		return err
	}
	_, what := c.fd()
	for _, path := range append(list, what) {
		if d.holds(path) {
			return fmt.Errorf("%s of %s: the model of the disk does not know that call", c.name, path)
		}
	}
	switch c.name {
	case "sync", "syncfs", "io_uring_setup", "io_submit":
		return fmt.Errorf("%s: the model of the disk does not know that call", c.name)
	}
	return nil
}

func (d *disk) open(c *sysCall) (bool, error) {
	list, err := c.paths()
	if err != nil || !c.returned || !d.holds(list[0]) {
		return false, err
	}
	node := d.now[list[0]]
	if strings.Contains(c.text, "O_TRUNC") && node != nil {
		return false, fmt.Errorf("%s is opened with O_TRUNC: the model of the disk does not know that", list[0])
	}
	created := node == nil && strings.Contains(c.text, "O_CREAT")
	if created {
		node = &inode{image: newImage()}
		d.link(list[0], node, c)
	}
	d.opened[fmt.Sprint(c.ret)] = &seat{node: node} // no node: it was there before, and is none of ours
	return created, nil
}

// file gives the file or directory behind the descriptor of a call; nil if it is none of those watched.
func (d *disk) file(c *sysCall) (*seat, error) {
	fd, what := c.fd()
	if !d.holds(what) {
		return nil, nil
	}
	s := d.opened[fd]
	if s == nil || s.node == nil {
		return nil, fmt.Errorf("%s of %s, which was not there and was not made", c.name, what)
	}
	return s, nil
}

func (d *disk) write(c *sysCall) (bool, error) {
	s, err := d.file(c)
	if s == nil || err != nil {
		return false, err
	}
	if _, what := c.fd(); !c.returned && filepath.Base(what) == databaseName {
		return false, fmt.Errorf("the program was killed in %s of the database: nobody knows whether it was done", c.name)
	}
	ch := &change{kind: changeData, of: s.node, begin: c.begin, end: c.end}
	switch c.name {
	case "fallocate":
		if c.failed() { // it may have allocated some
			return false, fmt.Errorf("%s failed: the model of the disk does not know that", c.name)
		}
		ch.kind = changeAlloc
		ch.off, ch.size, err = c.allocated()
		ch.size += ch.off
	case "ftruncate":
		ch.kind = changeSize
		ch.size, err = c.last()
	case "pwrite64":
		if ch.off, err = c.last(); err == nil {
			ch.data, err = c.data()
		}
	case "write": // nobody here opens with O_APPEND, or seeks
		ch.off = s.at
		ch.data, err = c.data()
		s.at += int64(len(ch.data))
	default:
		err = fmt.Errorf("%s to a file: where to is not in the trace", c.name)
	}
	d.pending = append(d.pending, ch)
	d.writes++
	return true, err
}

// sync makes last what had ended before it began.
func (d *disk) sync(c *sysCall) (bool, error) {
	s, err := d.file(c)
	if s == nil || err != nil {
		return false, err
	}
	d.syncs++
	var left []*change
	for _, ch := range d.pending {
		if ch.of != s.node || ch.end >= c.begin {
			left = append(left, ch)
			continue
		}
		ch.apply(s.node.image, s.node.entries, func(int64) bool { return true })
	}
	changed := len(left) < len(d.pending)
	d.pending = left
	if changed && s.node.entries != nil {
		d.forget()
	}
	return changed, nil
}

// forget drops what is pending of files that no name leads to any more, whatever a power cut leaves.
func (d *disk) forget() {
	named := map[*inode]bool{d.top: true}
	var walk func(dir *inode)
	walk = func(dir *inode) {
		for _, node := range dir.entries {
			if !named[node] {
				named[node] = true
				walk(node)
			}
		}
	}
	walk(d.top)
	for _, ch := range d.pending {
		if ch.entry != nil && !named[ch.entry] {
			named[ch.entry] = true
			walk(ch.entry)
		}
	}
	d.pending = slices.DeleteFunc(d.pending, func(ch *change) bool { return !named[ch.of] })
}

// apply makes a change of these contents.
func (c *change) apply(f *image, entries map[string]*inode, kept func(int64) bool) {
	switch c.kind {
	case changeData:
		f.write(c.off, c.data, kept)
	case changeSize:
		f.truncate(c.size)
	case changeAlloc:
		f.size = max(f.size, c.size)
	case changeEntry:
		entries[c.name] = c.entry
	case changeGone:
		delete(entries, c.name)
	case changeRename:
		delete(entries, c.old)
		entries[c.name] = c.entry
	}
}

func (d *disk) link(path string, node *inode, c *sysCall) {
	d.now[path] = node
	dir := d.now[filepath.Dir(path)]
	ch := &change{kind: changeEntry, of: dir, begin: c.begin, end: c.end, name: filepath.Base(path), entry: node}
	d.pending = append(d.pending, ch)
}

// name takes in a call that changes directories.
func (d *disk) name(c *sysCall) (bool, error) {
	list, err := c.paths()
	if err != nil || !d.holds(list[0]) && !d.holds(list[len(list)-1]) {
		return false, err
	}
	from, to := list[0], list[len(list)-1]
	node, dir := d.now[from], d.now[filepath.Dir(to)]
	switch {
	case dir == nil:
		return false, fmt.Errorf("%s of %s, whose directory is not known", c.name, to)
	case strings.HasPrefix(c.name, "mkdir"):
		d.link(to, &inode{entries: make(map[string]*inode)}, c)
		return true, nil
	case node == nil: // a socket, for one
		return false, nil
	case strings.HasPrefix(c.name, "link"):
		d.link(to, node, c)
		return true, nil
	}
	ch := &change{kind: changeGone, of: dir, begin: c.begin, end: c.end, name: filepath.Base(to), entry: node}
	if strings.HasPrefix(c.name, "rename") {
		if filepath.Dir(from) != filepath.Dir(to) {
			return false, fmt.Errorf("%s to another directory: the model of the disk does not know that", c.name)
		}
		ch.kind, ch.old = changeRename, filepath.Base(from)
		if old := d.now[to]; old != nil {
			d.ousted = append(d.ousted, ousting{ch.name, ch.old, old, node})
		}
		d.now[to] = node
	}
	delete(d.now, from)
	d.pending = append(d.pending, ch)
	return true, nil
}

// files gives what a directory below the root, or ".", holds after a cut, by name; nil if it is not there.
func (d *disk) files(c cut, dir string) map[string]*image {
	images, entries := make(map[*inode]*image), make(map[*inode]map[string]*inode)
	look := func(node *inode) (*image, map[string]*inode) {
		if node.entries != nil {
			if entries[node] == nil {
				entries[node] = maps.Clone(node.entries)
			}
			return nil, entries[node]
		}
		if images[node] == nil {
			images[node] = node.image.clone()
			images[node].of = node
		}
		return images[node], nil
	}
	if c.stale {
		for i, ch := range d.pending {
			if c.keep[i] && ch.kind == changeSize {
				f, _ := look(ch.of)
				f.expose(ch.size)
			}
		}
	}
	for i, ch := range d.pending {
		if !c.keep[i] {
			continue
		}
		f, list := look(ch.of)
		if bits := c.torn[i]; bits != nil {
			if ch.kind == changeAlloc { // up to anywhere
				f.size = max(f.size, ch.off+int64(bits[0]%uint64(ch.size-ch.off)))
				continue
			}
			first := ch.off / sector
			ch.apply(f, list, func(n int64) bool { return bits[(n-first)/64]>>((n-first)%64)&1 == 1 })
			continue
		}
		ch.apply(f, list, func(int64) bool { return true })
	}
	_, list := look(d.top)
	for name := range strings.SplitSeq(dir, "/") {
		if name == "." {
			continue
		}
		node := list[name]
		if node == nil {
			return nil
		}
		_, list = look(node)
	}
	files := make(map[string]*image)
	for name, entry := range list {
		if entry.entries == nil {
			files[name], _ = look(entry)
		}
	}
	return files
}
