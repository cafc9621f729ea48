package usersynctest

import (
	"errors"
	"fmt"
	"strings"

	"github.com/usersync-go/usersync"
)

func planChecks() []check[*stores] {
	return []check[*stores]{
		{"Plans/round trip", "LoadPlan returns the record, and PlanParts the parts, as SavePlan was given them; fewer than n" +
			" parts at the end.", planRoundTrip},
		{"Plans/large", "A plan has hundreds of parts, and a part can have megabytes: write them in portions.", planLarge},
		{"Plans/editions", "SavePlan stores edition n over edition n-1 only (ErrEdited), and replaces all parts. PlanParts of" +
			" another edition wraps ErrEdited, of an unknown plan ErrNotFound.", planEditions},
		{"Plans/atomic", "SavePlan returns the error that parts yields, and has changed nothing then.", planAtomic},
		{"Plans/at once", "Of many SavePlan of one edition at once one succeeds.", planAtOnce},
		{"Plans/delete", "DeletePlans removes the plans that expired before a time and of which there is no run.", planDelete},
	}
}

func planRoundTrip(s *stores) {
	rec := s.plan("plan 1", "staff", 1, "a", "", "ccc", "ünï\x00\xff")
	got, err := s.Plans.LoadPlan(s.Context(), "plan 1")
	s.good("LoadPlan", err)
	s.same("the record", got, rec)
	for _, w := range []struct {
		first, n int
		want     []string
	}{{0, 4, []string{"a", "", "ccc", "ünï\x00\xff"}}, {0, 2, []string{"a", ""}}, {2, 9, []string{"ccc", "ünï\x00\xff"}}, {4, 1, nil}} {
		parts, err := s.Plans.PlanParts(s.Context(), "plan 1", 1, w.first, w.n)
		s.good("PlanParts", err)
		var texts []string
		for _, p := range parts {
			texts = append(texts, string(p))
		}
		s.same(fmt.Sprintf("PlanParts(%d, %d)", w.first, w.n), texts, w.want)
	}
	_, err = s.Plans.LoadPlan(s.Context(), "Plan 1")
	s.refused("LoadPlan of another id", err, usersync.ErrNotFound)
}

func planLarge(s *stores) {
	var parts []string
	for i := range 300 {
		parts = append(parts, strings.Repeat(string(rune('a'+i%26)), 3000))
	}
	parts[7] = strings.Repeat("x", 3<<20)
	s.plan("plan 1", "staff", 1, parts...)
	for first := 0; first < len(parts); first += 100 {
		got, err := s.Plans.PlanParts(s.Context(), "plan 1", 1, first, 100)
		s.good("PlanParts", err)
		for i := range got {
			if string(got[i]) != parts[first+i] {
				s.breach("part %d is not what was saved", first+i)
			}
		}
		s.same("the number of parts", len(got), 100)
	}
}

func planEditions(s *stores) {
	s.plan("plan 1", "staff", 1, "a", "b")
	save := func(edition int) error {
		return s.Plans.SavePlan(s.Context(), usersync.PlanRecord{ID: "plan 1", Edition: edition, Expires: day(1)}, sequence([]string{"new"}, nil))
	}
	s.refused("SavePlan of edition 1 again", save(1), usersync.ErrEdited)
	s.refused("SavePlan of edition 3", save(3), usersync.ErrEdited)
	s.good("SavePlan of edition 2", save(2))
	_, err := s.Plans.PlanParts(s.Context(), "plan 1", 1, 0, 9)
	s.refused("PlanParts of edition 1", err, usersync.ErrEdited)
	parts, err := s.Plans.PlanParts(s.Context(), "plan 1", 2, 0, 9)
	s.good("PlanParts", err)
	s.same("the parts", fmt.Sprintf("%q", parts), `["new"]`)
	_, err = s.Plans.PlanParts(s.Context(), "plan 9", 1, 0, 9)
	s.refused("PlanParts of no plan", err, usersync.ErrNotFound)
	s.refused("SavePlan of edition 2 of no plan",
		s.Plans.SavePlan(s.Context(), usersync.PlanRecord{ID: "plan 9", Edition: 2}, sequence(nil, nil)), usersync.ErrEdited)
}

func planAtomic(s *stores) {
	broken := errors.New("broken")
	err := s.Plans.SavePlan(s.Context(), usersync.PlanRecord{ID: "plan 1", Edition: 1}, sequence([]string{"a"}, broken))
	s.refused("SavePlan of broken parts", err, broken)
	_, err = s.Plans.LoadPlan(s.Context(), "plan 1")
	s.refused("LoadPlan", err, usersync.ErrNotFound)
	s.plan("plan 1", "staff", 1, "a", "b")
	err = s.Plans.SavePlan(s.Context(), usersync.PlanRecord{ID: "plan 1", Edition: 2}, sequence([]string{"new"}, broken))
	s.refused("SavePlan of broken parts", err, broken)
	parts, err := s.Plans.PlanParts(s.Context(), "plan 1", 1, 0, 9)
	s.good("PlanParts", err)
	s.same("the parts", fmt.Sprintf("%q", parts), `["a" "b"]`)
}

func planAtOnce(s *stores) {
	for edition := 1; edition <= 2; edition++ {
		s.atOnce("SavePlan", isEdited, func(i int) error {
			rec := usersync.PlanRecord{ID: "plan 1", Edition: edition, Expires: day(1)}
			return s.Plans.SavePlan(s.Context(), rec, sequence([]string{fmt.Sprint(i), fmt.Sprint(i)}, nil))
		})
		parts, err := s.Plans.PlanParts(s.Context(), "plan 1", edition, 0, 9)
		s.good("PlanParts", err)
		if len(parts) != 2 || string(parts[0]) != string(parts[1]) {
			s.breach("the parts are %q: of several plans", parts)
		}
	}
}

func planDelete(s *stores) {
	s.plan("old", "staff", 1, "a")
	s.start("applied", "staff", day(1))
	s.good("QueueMails", s.Outbox.QueueMails(s.Context(), []usersync.Mail{mail("old", "staff", "u1"), mail("applied", "staff", "u1")}))
	n, err := s.Plans.DeletePlans(s.Context(), day(2)) // when they expire
	s.good("DeletePlans", err)
	s.same("the number of plans that expired before", n, 0)
	n, err = s.Plans.DeletePlans(s.Context(), day(3))
	s.good("DeletePlans", err)
	s.same("the number of plans", n, 1)
	s.same("the mails that are left", s.mails(usersync.MailQuery{}), []usersync.Mail{mail("applied", "staff", "u1")})
	_, err = s.Plans.LoadPlan(s.Context(), "old")
	s.refused("LoadPlan", err, usersync.ErrNotFound)
	_, err = s.Plans.PlanParts(s.Context(), "applied", 1, 0, 1)
	s.good("PlanParts of a plan that was applied", err)
}
