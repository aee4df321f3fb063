package store

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
)

// blemish is one way in which a file may be damaged.
type blemish struct {
	kind string
	name string
	do   func(data []byte) []byte // of a copy
}

// Of these kinds nobody can tell in all cases that anything happened: what is there was written by us once, and whole.
var untold = []string{"older page"}

const pageLen = 4096

func page(data []byte, p int) []byte { return data[p*pageLen : (p+1)*pageLen] }

// blemishes lists ways to damage a file: all there are of each kind that goes by pages, and of the flipped bits all of the
// heads and the list of free pages and so many elsewhere. olds are what the file was before.
func blemishes(data []byte, olds [][]byte, flips int, r *rand.Rand) (all []blemish) {
	pages := len(data) / pageLen
	add := func(kind, name string, do func([]byte) []byte) {
		all = append(all, blemish{kind, kind + " " + name, do})
	}
	in := func(do func([]byte)) func([]byte) []byte {
		return func(data []byte) []byte { do(data); return data }
	}
	for p := range pages {
		q, seed := (p+1+r.IntN(pages-1))%pages, r.Uint64()
		at := fmt.Sprint(p)
		add("zeroed page", at, in(func(d []byte) { clear(page(d, p)) }))
		add("page of ones", at, in(func(d []byte) { copy(page(d, p), slices.Repeat([]byte{0xFF}, pageLen)) }))
		add("random page", at, in(func(d []byte) { scramble(page(d, p), seed) }))
		add("random body", at, in(func(d []byte) { scramble(page(d, p)[pageHeader:], seed) }))
		add("other page", fmt.Sprintf("%d at %s", q, at), in(func(d []byte) { copy(page(d, p), page(d, q)) }))
		add("misdirected page", fmt.Sprintf("%d as %s", q, at), in(func(d []byte) { // it says of itself that it is the right one
			copy(page(d, p)[8:], page(d, q)[8:])
		}))
		add("swapped pages", fmt.Sprintf("%d and %s", q, at), in(func(d []byte) {
			was := slices.Clone(page(d, p))
			copy(page(d, p), page(d, q))
			copy(page(d, q), was)
		}))
		add("half a page", at, in(func(d []byte) { clear(page(d, p)[pageLen/2:]) }))
		for n, old := range olds {
			if p >= len(old)/pageLen || string(page(old, p)) == string(page(data, p)) {
				continue
			}
			kind := "older page"
			if p < 2 {
				kind = "older head"
			}
			add(kind, fmt.Sprintf("%d of chapter %d", p, n), in(func(d []byte) { copy(page(d, p), page(old, p)) }))
		}
		add("cut file", "at page "+at, func(d []byte) []byte { return d[:p*pageLen] })
		odd := p*pageLen + 1 + r.IntN(pageLen-1)
		add("cut file", fmt.Sprint("at octet ", odd), func(d []byte) []byte { return d[:odd] })
	}
	for n := range 16 {
		more := make([]byte, 1+r.IntN(1<<uint(n)))
		scramble(more, r.Uint64())
		add("grown file", fmt.Sprintf("by %d octets", len(more)), func(d []byte) []byte { return append(d, more...) })
	}
	flip := func(kind string, at, bit int) {
		add(kind, fmt.Sprintf("%d of octet %#x", bit, at), in(func(d []byte) { d[at] ^= 1 << bit }))
	}
	for at := range metaLen * 8 {
		flip("bit of a head", at/8, at%8)
		flip("bit of a head", pageLen+at/8, at%8)
	}
	from, to := freelistOf(data)
	for at := from * 8; at < to*8; at++ {
		flip("bit of the free list", at/8, at%8)
	}
	used := liveOctets(data)
	for range flips {
		flip("bit", used[r.IntN(len(used))], r.IntN(8))
	}
	return all
}

func scramble(b []byte, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 1))
	for n := range b {
		b[n] = byte(r.Uint32())
	}
}

// newestHead is the meta page in force.
func newestHead(data []byte) []byte {
	order := binary.NativeEndian
	if order.Uint64(data[metaTxAt:]) > order.Uint64(data[pageLen+metaTxAt:]) {
		return data[:pageLen]
	}
	return data[pageLen : 2*pageLen]
}

// freelistOf gives where the list of free pages stands.
func freelistOf(data []byte) (from, to int) {
	order := binary.NativeEndian
	from = int(order.Uint64(newestHead(data)[metaFreeAt:])) * pageLen
	return from, from + pageHeader + 8*int(order.Uint16(data[from+10:]))
}

// liveOctets lists the octets of all pages that are neither heads nor free.
func liveOctets(data []byte) (list []int) {
	free := make(map[int]bool)
	from, to := freelistOf(data)
	for at := from + pageHeader; at < to; at += 8 {
		free[int(binary.NativeEndian.Uint64(data[at:]))] = true
	}
	for p := 2; p < len(data)/pageLen; p++ {
		if free[p] || p == from/pageLen {
			continue
		}
		for at := range pageLen {
			list = append(list, p*pageLen+at)
		}
	}
	return list
}
