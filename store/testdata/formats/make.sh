#!/bin/sh
# Writes the files of all formats that the store ever had, each by the program of that time:
#
#	store/testdata/formats/make.sh            the files of older formats: they are there, and need not be made again
#	store/testdata/formats/make.sh 5 COMMIT   that of a new one; raise formatVersion and commit first
#
# For each: N.db.gz, the file, and N.json.gz, what that program said is in it. TestFormats opens each, and compares. A copy
# of life1.go.txt is compiled into the package of that time, with life2.go.txt, life3.go.txt and so on where that program can
# do what they ask for.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
tree=
drop() { [ -z "$tree" ] || git -C "$here" worktree remove --force "$tree"; tree=; }
trap drop EXIT
make() {
	tree=$(mktemp -d)
	git -C "$here" worktree add -q --detach "$tree" "$2"
	for n in 1 2 3 4; do
		[ "$n" -gt "$1" ] || cp "$here/life$n.go.txt" "$tree/store/zz_life$n""_test.go"
	done
	[ "$1" -gt 1 ] || cp "$here/tick1.go.txt" "$tree/store/zz_tick1_test.go"
	(cd "$tree" && FORMAT=$1 FORMAT_OUT=$here go test -count=1 -run 'TestWriteFormat$' ./store)
	drop
	gzip -9nf "$here/$1.db" "$here/$1.json"
}
if [ $# -eq 2 ]; then
	make "$1" "$2"
	exit
fi
make 1 f576163
make 2 4b04d72
make 3 26d8901
make 4 76bedfa
