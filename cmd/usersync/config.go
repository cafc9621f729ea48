package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/usersync-go/usersync"
)

// readConfig reads a configuration over the defaults.
func (a *app) readConfig(path string) (usersync.Config, error) {
	data, err := a.readAll(path)
	if err != nil {
		return usersync.Config{}, err
	}
	return usersync.ParseConfig(data)
}

func (a *app) readAll(path string) ([]byte, error) {
	if path == "-" {
		return io.ReadAll(a.in)
	}
	return os.ReadFile(path)
}

func (a *app) configCreate(f *flag.FlagSet) func(context.Context, []string) error {
	p := a.place(f)
	return func(ctx context.Context, args []string) error {
		path, err := one(args, "JSON file with the configuration, or - for standard input")
		if err != nil {
			return err
		}
		cfg, err := a.readConfig(path)
		if err != nil {
			return err
		}
		return p.within(ctx, func(svc *usersync.Service) error {
			created, err := svc.CreateConfig(ctx, cfg)
			if errors.Is(err, usersync.ErrDuplicate) {
				return fmt.Errorf("configuration %q exists already: use config edit", cfg.ID)
			}
			return a.saved(err, created.ID, "is saved")
		})
	}
}

func (a *app) configEdit(f *flag.FlagSet) func(context.Context, []string) error {
	p := a.place(f)
	return func(ctx context.Context, args []string) error {
		path, err := one(args, "JSON file with the configuration, or - for standard input")
		if err != nil {
			return err
		}
		data, err := a.readAll(path)
		if err != nil {
			return err
		}
		cfg, err := usersync.ParseConfig(data)
		if err != nil {
			return err
		}
		return p.within(ctx, func(svc *usersync.Service) error { return a.edit(ctx, svc, cfg, data) })
	}
}

// edit saves a configuration over the present one. JSON that names a revision is saved only over that, and
// JSON that does not speak of a pause does not end one.
func (a *app) edit(ctx context.Context, svc *usersync.Service, cfg usersync.Config, data []byte) error {
	now, err := svc.Config(ctx, cfg.ID)
	if err != nil {
		return err
	}
	var given struct {
		Revision *int64
		Paused   *bool
	}
	if err := json.Unmarshal(data, &given); err != nil {
		return err
	}
	if given.Revision == nil {
		cfg.Revision = now.Revision
	}
	if given.Paused == nil {
		cfg.Paused = now.Paused
	}
	if cfg, err = svc.EditConfig(ctx, cfg); err == nil {
		fmt.Fprintf(a.out, "Configuration %s is saved, revision %d.\n", clean(cfg.ID), cfg.Revision)
	}
	return err
}

func (a *app) configList(f *flag.FlagSet) func(context.Context, []string) error {
	p := a.place(f)
	return func(ctx context.Context, args []string) error {
		if err := none(args); err != nil {
			return err
		}
		return p.within(ctx, func(svc *usersync.Service) error {
			all, err := svc.Configs(ctx)
			if err != nil {
				return err
			}
			rows := [][]string{{"CONFIG", "NAME", "REVISION", "STATUS"}}
			for _, c := range all {
				status := "active"
				if c.Paused {
					status = "paused"
				}
				rows = append(rows, []string{c.ID, c.Name, strconv.FormatInt(c.Revision, 10), status})
			}
			a.printer().table("", rows)
			return nil
		})
	}
}

// onConfig is a command about one configuration.
func (a *app) onConfig(f *flag.FlagSet, do func(ctx context.Context, svc *usersync.Service, id string) error) func(context.Context, []string) error {
	p := a.place(f)
	return func(ctx context.Context, args []string) error {
		id, err := one(args, "configuration")
		if err != nil {
			return err
		}
		return p.within(ctx, func(svc *usersync.Service) error { return do(ctx, svc, id) })
	}
}

func (a *app) configShow(f *flag.FlagSet) func(context.Context, []string) error {
	return a.onConfig(f, func(ctx context.Context, svc *usersync.Service, id string) error {
		cfg, err := svc.Config(ctx, id)
		if err != nil {
			return err
		}
		return a.writeJSON(cfg)
	})
}

func (a *app) configPause(f *flag.FlagSet) func(context.Context, []string) error {
	return a.onConfig(f, func(ctx context.Context, svc *usersync.Service, id string) error {
		_, err := svc.PauseConfig(ctx, id)
		return a.saved(err, id, "is paused")
	})
}

func (a *app) configResume(f *flag.FlagSet) func(context.Context, []string) error {
	return a.onConfig(f, func(ctx context.Context, svc *usersync.Service, id string) error {
		_, err := svc.ResumeConfig(ctx, id)
		return a.saved(err, id, "is active: plans of before are stale")
	})
}

func (a *app) configDelete(f *flag.FlagSet) func(context.Context, []string) error {
	return a.onConfig(f, func(ctx context.Context, svc *usersync.Service, id string) error {
		return a.saved(svc.DeleteConfig(ctx, id), id, "and its history are gone")
	})
}

// saved says what became of a configuration, unless that went wrong.
func (a *app) saved(err error, id, what string) error {
	if err == nil {
		fmt.Fprintf(a.out, "Configuration %s %s.\n", clean(id), what)
	}
	return err
}
