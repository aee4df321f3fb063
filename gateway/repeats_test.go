package gateway_test

import (
	"path/filepath"
	"testing"

	"smsgateway/gateway"
	"smsgateway/smpp"
)

// redelivered tells whether a deliver_sm has the mark of docs/smpp.md, "The same again".
func redelivered(d *smpp.DeliverSM) bool {
	value, ok := d.TLVs.Find(0x3D01)
	return ok && len(value) == 1 && value[0] == 1
}

// TestRedelivered: what a client may have had is marked, and nothing else is. A text from a phone is known by its reference.
func TestRedelivered(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gateway.db")
	b := startBenchOn(t, path)
	b.account("shop", 0)
	b.phones(1, "hello")
	first := b.esme("shop", 0x34)
	d, _ := first.delivery()
	name, _ := d.TLVs.Find(smpp.TagUserMessageReference)
	if redelivered(d) || len(name) != 2 {
		t.Fatalf("the first offer has the TLVs %+v", d.TLVs)
	}
	first.conn.Close() // no answer
	again := b.esme("shop", 0x34)
	d, seq := again.delivery()
	if same, _ := d.TLVs.Find(smpp.TagUserMessageReference); !redelivered(d) || string(same) != string(name) {
		t.Errorf("the second offer has the TLVs %+v, want the mark and the reference % X", d.TLVs, name)
	}
	again.answer(seq, smpp.StatusRxTAppn) // it does not have it now, but the session before may
	d, seq = again.delivery()
	if !redelivered(d) {
		t.Errorf("the third offer has the TLVs %+v, want the mark", d.TLVs)
	}
	again.answer(seq, smpp.StatusOK)

	b.phones(1, "refused")
	d, seq = again.delivery()
	if redelivered(d) {
		t.Error("a new text is marked")
	}
	if other, _ := d.TLVs.Find(smpp.TagUserMessageReference); string(other) == string(name) {
		t.Errorf("another text has the same reference % X", name)
	}
	again.answer(seq, smpp.StatusRxTAppn)
	if d, _ = again.delivery(); redelivered(d) {
		t.Error("a text that the only client has refused is marked")
	}
	again.conn.Close() // the answer is not known
	b.stop()

	b = startBenchOn(t, path)
	b.account("later", 0)
	old := b.esme("shop", 0x33)
	if d, _ = old.delivery(); len(d.TLVs) > 0 {
		t.Errorf("a client of 3.3 gets the TLVs %+v", d.TLVs)
	}
	old.conn.Close()
	last := b.esme("shop", 0x34)
	if d, seq = last.delivery(); !redelivered(d) {
		t.Error("what an earlier life had on disk is not marked")
	}
	last.answer(seq, smpp.StatusInvOptParStream) // it can't read the mark
	if d, seq = last.delivery(); redelivered(d) {
		t.Error("a client that refused the mark gets it again")
	}
	last.answer(seq, smpp.StatusOK)
	b.phones(1, "after it")
	if d, seq = last.delivery(); redelivered(d) {
		t.Error("what came after the start is marked")
	}
	last.answer(seq, smpp.StatusOK)
}

// TestRedeliveredPlain: an account whose clients can't bear the mark gets none.
func TestRedeliveredPlain(t *testing.T) {
	b := startBench(t)
	b.account("shop", 0)
	if _, err := b.SetAccount("shop", gateway.Settings{"redelivered": "plain"}); err != nil {
		t.Fatal(err)
	}
	b.phones(1, "hello")
	first := b.esme("shop", 0x34)
	first.delivery()
	first.conn.Close()
	if d, _ := b.esme("shop", 0x34).delivery(); redelivered(d) {
		t.Error("it is marked all the same")
	}
}

// answer answers a deliver_sm.
func (e *esme) answer(sequence uint32, status smpp.Status) {
	e.t.Helper()
	e.send(smpp.PDU{Sequence: sequence, Status: status, Body: &smpp.DeliverSMResp{}})
}
