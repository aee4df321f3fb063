package admin

import (
	"encoding/json"
	"net/http"
	"slices"
	"testing"
)

// TestMessagesInBites: a search that takes long comes in several answers, one of which may have found nothing.
func TestMessagesInBites(t *testing.T) {
	answers := []found{
		{Messages: []Message{{ID: "9"}}, Next: "8"},
		{Messages: []Message{}, Next: "5"},
		{Messages: []Message{{ID: "4"}, {ID: "3"}}, Next: "3"},
		{Messages: []Message{{ID: "2"}}},
	}
	for _, tt := range []struct {
		limit        int
		want, before []string
	}{
		{0, []string{"9", "4", "3", "2"}, []string{"", "8", "5", "3"}},
		{3, []string{"9", "4", "3"}, []string{"", "8", "5"}},
	} {
		var before []string
		c := Local(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			before = append(before, r.URL.Query().Get("before"))
			if r.URL.Query().Get("to") != "4" {
				t.Errorf("asked %s", r.URL)
			}
			json.NewEncoder(w).Encode(answers[len(before)-1])
		}))
		list, err := c.Messages(t.Context(), MessageFilter{To: "4", Limit: tt.limit})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, m := range list {
			got = append(got, m.ID)
		}
		if !slices.Equal(got, tt.want) || !slices.Equal(before, tt.before) {
			t.Errorf("limit %d: got %q, asked before %q; want %q, %q", tt.limit, got, before, tt.want, tt.before)
		}
	}
}

// TestAccountsInBites: so does a list of very many accounts.
func TestAccountsInBites(t *testing.T) {
	answers := map[string]foundAccounts{
		"":  {Accounts: []Account{{Key: "a"}, {Key: "b"}}, Next: "b"},
		"b": {Accounts: []Account{{Key: "c"}}},
	}
	c := Local(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		json.NewEncoder(w).Encode(answers[r.URL.Query().Get("after")])
	}))
	list, err := c.Accounts(t.Context())
	if err != nil || len(list) != 3 || list[2].Key != "c" {
		t.Errorf("got %+v, %v", list, err)
	}
}
