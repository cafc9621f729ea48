package usersync

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"
	"unicode/utf8"
)

// filePart is how many bytes of an upload a part has, before it is sealed: databases bound what one statement
// carries, MariaDB once to 1 MiB.
const filePart = 512<<10 - sealedMore

// sealedMore is what sealing adds: a nonce of 12 bytes and a tag of 16.
const sealedMore = 28

// fileParts is how many parts are read in one call.
const fileParts = 8

// upload is a file that is being taken.
type upload struct {
	content
	file ImportFile
}

// upload opens a source and looks at what can be told without reading its rows. Errors are *FileError, or
// those of the reader. (R2, R3)
func (s *Service) upload(ctx context.Context, cfg Config, src Source) (*upload, error) {
	secrets := s.eng.schema.hasSecrets()
	if secrets && s.eng.seal == nil {
		return nil, fmt.Errorf("%w: files can have secret values, such as passwords, and a stored upload must not have them in the clear: "+
			"set a key for them (WithSecretKey; for the command, USERSYNC_SECRET_KEY)", ErrInvalid)
	}
	up, err := src.only(cfg.Formats).take(cfg.Limits.within(s.eng.limits).Bytes)
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return nil, err
	}
	up.file.Sealed = secrets
	return up, nil
}

// take opens a source for random access, at most so many bytes, and identifies it.
func (s Source) take(limit int64) (*upload, error) {
	if s.open == nil {
		return nil, fmt.Errorf("%w: the source is empty: use File, Open, XLSX or CSV", ErrInvalid)
	}
	c, err := s.open()
	if err != nil {
		return nil, fmt.Errorf("usersync: opening the upload: %w", err)
	}
	up := &upload{content: c}
	if err := s.identified(up, limit); err != nil {
		return nil, errors.Join(s.refused(err), up.end())
	}
	return up, nil
}

func (s Source) identified(up *upload, limit int64) error {
	if up.at == nil {
		data, err := io.ReadAll(io.LimitReader(up.stream, limit+1))
		if err != nil {
			return fmt.Errorf("reading the upload: %w", err)
		}
		up.at, up.size = bytes.NewReader(data), int64(len(data))
	}
	if up.size > limit {
		return tooLarge(limit)
	}
	format, stream, err := s.identify(up.content)
	if err == nil {
		err = s.expects(format)
	}
	if err != nil {
		return err
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, stream); err != nil {
		return fmt.Errorf("reading the upload: %w", err)
	}
	up.file = ImportFile{Name: s.name, Format: string(format), Bytes: up.size, SHA256: hex.EncodeToString(sum.Sum(nil)),
		Sheet: s.sheet, Encoding: s.encoding, Upload: rand.Text(), Parts: int((up.size + filePart - 1) / filePart)}
	if s.delimiter != 0 {
		up.file.Delimiter = string(s.delimiter)
	}
	return nil
}

// end closes what take opened.
func (u *upload) end() error {
	if u.close == nil {
		return nil
	}
	return u.close()
}

func (s *Service) closeUpload(ctx context.Context, u *upload) {
	if err := u.end(); err != nil {
		s.eng.log.WarnContext(ctx, "usersync: closing the upload", "error", err)
	}
}

// parts yields the upload as it is stored.
func (u *upload) parts(seal *sealer, id string) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for n := range u.file.Parts {
			from := int64(n) * filePart
			part := make([]byte, min(filePart, u.size-from), filePart+sealedMore)
			if read, err := u.at.ReadAt(part, from); read < len(part) {
				yield(nil, fmt.Errorf("reading the upload: %w", err))
				return
			}
			if u.file.Sealed {
				part = seal.aead.Seal(nil, nil, part, u.file.sealedAs(id, n))
			}
			if !yield(part, nil) {
				return
			}
		}
	}
}

// sealedAs binds a part to its place: it opens as that part of that upload of that import alone, and the
// last one only as the last.
func (f *ImportFile) sealedAs(id string, part int) []byte {
	return fmt.Appendf(nil, "usersync import %s upload %s part %d of %d", id, f.Upload, part, f.Parts)
}

// storedFile is the upload of an import, in memory. One that is not as it was taken is an error.
func (s *Service) storedFile(ctx context.Context, imp *Import) (Source, error) {
	var data bytes.Buffer
	data.Grow(imp.File.Parts*filePart + bytes.MinRead) // at once: growing holds it twice
	for first := 0; first < imp.File.Parts; first += fileParts {
		parts, err := s.importParts(ctx, imp.ID, first)
		if err != nil {
			return Source{}, err
		}
		for i, part := range parts {
			if part, err = s.opened(imp, first+i, part); err != nil {
				return Source{}, err
			}
			data.Write(part)
		}
	}
	sum := sha256.Sum256(data.Bytes())
	if hex.EncodeToString(sum[:]) != imp.File.SHA256 {
		return Source{}, fmt.Errorf("%w: the stored upload of import %s is not what was uploaded: replace the file", ErrInvalid, imp.ID)
	}
	src := Open(bytes.NewReader(data.Bytes()), int64(data.Len()), imp.File.Name).
		WithSheet(imp.File.Sheet).WithEncoding(imp.File.Encoding)
	if imp.File.Delimiter != "" {
		delimiter, _ := utf8.DecodeRuneInString(imp.File.Delimiter)
		src = src.WithDelimiter(delimiter)
	}
	return src, nil
}

func (s *Service) importParts(ctx context.Context, id string, first int) (parts [][]byte, err error) {
	defer calling("ImportStore.ImportParts", &err)
	if parts, err = s.stores.Imports.ImportParts(ctx, id, first, fileParts); err != nil {
		return nil, fmt.Errorf("usersync: reading the upload of import %s: %w", id, err)
	}
	return parts, nil
}

// opened is a part in the clear.
func (s *Service) opened(imp *Import, n int, part []byte) ([]byte, error) {
	if !imp.File.Sealed {
		return part, nil
	}
	if s.eng.seal == nil {
		return nil, fmt.Errorf("%w: the stored upload is sealed: set the key that it was stored with (WithSecretKey)", ErrInvalid)
	}
	data, err := s.eng.seal.aead.Open(nil, nil, part, imp.File.sealedAs(imp.ID, n))
	if err != nil {
		return nil, fmt.Errorf("%w: the stored upload cannot be opened: the key (WithSecretKey) is another, or it was damaged: "+
			"replace the file", ErrInvalid)
	}
	return data, nil
}
