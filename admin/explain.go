package admin

import (
	"encoding/hex"
	"net/http"

	"smsgateway/gateway"
)

// ExplainRequest asks how a text would go out: Text as an account of alphabet utf8 sends it under data_coding 0, or Hex,
// octets as a submit_sm has them. Account "" has the gateway's defaults.
type ExplainRequest struct {
	Account    string `json:"account,omitempty"`
	Text       string `json:"text,omitempty"`
	Hex        string `json:"hex,omitempty"`
	DataCoding uint8  `json:"data_coding,omitempty"` // of Hex, as ESMClass
	ESMClass   uint8  `json:"esm_class,omitempty"`
}

// Explanation is how a text would go out.
type Explanation struct {
	Status   string          `json:"status"` // "ESME_ROK", or with which a submit_sm is refused, and why
	Refused  bool            `json:"refused"`
	ReadAs   string          `json:"read_as,omitempty"`
	Text     string          `json:"text"`                    // as read; "" for binary
	Sent     string          `json:"sent"`                    // as a phone shows it
	Encoding string          `json:"encoding,omitempty"`      // on air: gsm7, ucs2, binary; "" it does not go
	Locking  string          `json:"locking_table,omitempty"` // national tables, by their languages
	Single   string          `json:"single_table,omitempty"`
	DCS      uint8           `json:"dcs"` // TP-DCS
	Parts    []ExplainedPart `json:"parts"`
	Costly   []CostlyRune    `json:"costly"`           // characters that make it longer, or impossible
	Like     *ExplainedText  `json:"like,omitempty"`   // what transliteration would make of it
	Narrow   *ExplainedText  `json:"narrow,omitempty"` // in GSM 7 bit, of a text whose data_coding says UCS-2
}

// ExplainedPart is one short message, in septets for gsm7, UTF-16 units for ucs2, else octets.
type ExplainedPart struct {
	Used int `json:"used"`
	Left int `json:"left"`
}

// ExplainedText is another form of a text.
type ExplainedText struct {
	Text  string `json:"text"`
	Parts int    `json:"parts"`
}

// CostlyRune is a character that costs more than others.
type CostlyRune struct {
	Character string `json:"character"`
	CodePoint string `json:"code_point"` // "U+2019"
	Positions []int  `json:"positions"`  // from 1; the first few
	Count     int    `json:"count"`
	Septets   int    `json:"septets"`                 // 2: of the extension table; 0: GSM 7 bit lacks it
	Like      string `json:"like,omitempty"`          // what stands for it when it is transliterated
	Without   int    `json:"parts_without,omitempty"` // how many parts it would take without it; 0: not fewer
}

func (a *api) explain(r *http.Request) (any, error) {
	req, err := read[ExplainRequest](r)
	if err != nil {
		return nil, err
	}
	var x gateway.Explanation
	if req.Hex == "" {
		x, err = a.g.ExplainText(req.Account, req.Text)
	} else {
		octets, fault := hex.DecodeString(req.Hex)
		if fault != nil {
			return nil, refuse(http.StatusBadRequest, "the octets can't be read: %v", fault)
		}
		x, err = a.g.ExplainOctets(req.Account, req.DataCoding, req.ESMClass, octets)
	}
	if err != nil {
		return nil, aboutAccount(req.Account, err)
	}
	return explanationOf(x), nil
}
