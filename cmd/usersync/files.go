package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/usersync-go/usersync"
)

// template writes the template workbook. It replaces no file, which might be filled in.
func (a *app) template(f *flag.FlagSet) func(context.Context, []string) error {
	schema := f.String("schema", a.env("USERSYNC_SCHEMA"), "JSON `file` with the fields of users")
	return func(_ context.Context, args []string) error {
		path, err := one(args, "file to write")
		if err != nil {
			return err
		}
		if !strings.EqualFold(filepath.Ext(path), ".xlsx") {
			return errors.New("the template is a workbook: name a file that ends in .xlsx")
		}
		fields, err := readSchema(*schema)
		if err != nil {
			return err
		}
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
		if errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("%s exists already, and may be filled in: remove it, or name another", path)
		}
		if err != nil {
			return err
		}
		if err := errors.Join(fields.WriteTemplate(f), f.Close()); err != nil {
			return errors.Join(err, os.Remove(path))
		}
		return nil
	}
}

// reports are the files that a command is asked for.
type reports struct {
	out         string // workbook of all rows
	corrections string // the bad rows
}

// addReports adds the flags.
func addReports(f *flag.FlagSet) *reports {
	w := &reports{}
	f.StringVar(&w.out, "out", "", "write a workbook of all rows to a `file`")
	f.StringVar(&w.corrections, "corrections", "", "write the bad rows to a `file`, .xlsx or .csv, to mend and upload")
	return w
}

// check refuses names that cannot be meant, before anything is done: upload is the file that is read, "" for
// none.
func (w *reports) check(upload string) error {
	if w.out != "" && !strings.EqualFold(filepath.Ext(w.out), ".xlsx") {
		return fmt.Errorf("-out %s: name a file that ends in .xlsx", w.out)
	}
	if _, err := formatOf(w.corrections); w.corrections != "" && err != nil {
		return fmt.Errorf("-corrections %s: %w", w.corrections, err)
	}
	for _, path := range []string{w.out, w.corrections} {
		if path != "" && upload != "" && sameFile(path, upload) {
			return fmt.Errorf("%s is the file that is read: name another", path)
		}
	}
	if w.out != "" && w.out == w.corrections {
		return fmt.Errorf("-out and -corrections name one file, %s", w.out)
	}
	return nil
}

func sameFile(a, b string) bool {
	first, err := os.Stat(a)
	if err != nil {
		return false
	}
	second, err := os.Stat(b)
	return err == nil && os.SameFile(first, second)
}

// formatOf is the format that the name of a correction file asks for.
func formatOf(path string) (usersync.Format, error) {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".xlsx":
		return usersync.FormatXLSX, nil
	case ".csv":
		return usersync.FormatCSV, nil
	}
	return "", errors.New("name a file that ends in .xlsx or .csv")
}

// write writes the files that were asked for.
func (w *reports) write(all func(io.Writer) error, bad func(io.Writer, usersync.Format) error) error {
	if w.out != "" {
		if err := write(w.out, all); err != nil {
			return err
		}
	}
	if w.corrections == "" {
		return nil
	}
	format, err := formatOf(w.corrections)
	if err != nil {
		return err
	}
	return write(w.corrections, func(to io.Writer) error { return bad(to, format) })
}

// write makes or replaces a file as a whole, so that one that was there stays unless the new one is complete.
func write(path string, fill func(io.Writer) error) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	if err := errors.Join(fill(f), f.Chmod(modeOf(path)), f.Close()); err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// modeOf is who may read a file: as before if it is replaced. A new one is its owner's, since it is about
// people.
func modeOf(path string) os.FileMode {
	if info, err := os.Stat(path); err == nil {
		return info.Mode().Perm()
	}
	return 0o600
}
