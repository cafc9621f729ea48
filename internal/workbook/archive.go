package workbook

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"errors"
	"hash/crc32"
	"io"
	"io/fs"
	"slices"
	"strings"
)

// archive collects the parts of a workbook, compressed, and writes them in the order of their names. The
// library alone would write streamed sheets in the order of a map, and everything once more into memory.
type archive struct {
	parts []*part
	open  *part
	flate *flate.Writer
}

// part is one file of the archive.
type part struct {
	name string
	data bytes.Buffer
	sum  uint32
	size uint64
	to   *flate.Writer
}

// level is how hard parts are compressed: as archive/zip does it.
const level = 5

func newArchive() *archive { return &archive{} }

// Create begins a part, which ends where the next one begins.
func (a *archive) Create(name string) (io.Writer, error) {
	if err := a.endPart(); err != nil {
		return nil, err
	}
	p := &part{name: name}
	if a.flate == nil {
		w, err := flate.NewWriter(&p.data, level)
		if err != nil {
			return nil, err
		}
		a.flate = w
	} else {
		a.flate.Reset(&p.data)
	}
	p.to = a.flate
	a.open = p
	a.parts = append(a.parts, p)
	return p, nil
}

// AddFS is not needed.
func (a *archive) AddFS(fs.FS) error { return errors.ErrUnsupported }

// Close does nothing: the library also closes an archive that it could not complete.
func (a *archive) Close() error { return nil }

func (a *archive) endPart() error {
	if a.open == nil {
		return nil
	}
	a.open = nil
	return a.flate.Close()
}

// Write compresses what is added to the part.
func (p *part) Write(b []byte) (int, error) {
	p.sum = crc32.Update(p.sum, crc32.IEEETable, b)
	p.size += uint64(len(b))
	return p.to.Write(b)
}

// writeTo writes the archive, [Content_Types].xml first.
func (a *archive) writeTo(w io.Writer) error {
	if err := a.endPart(); err != nil {
		return err
	}
	slices.SortFunc(a.parts, func(x, y *part) int { return strings.Compare(x.name, y.name) })
	zw := zip.NewWriter(w)
	for _, p := range a.parts {
		to, err := zw.CreateRaw(&zip.FileHeader{Name: p.name, Method: zip.Deflate, CRC32: p.sum,
			CompressedSize64: uint64(p.data.Len()), UncompressedSize64: p.size})
		if err != nil {
			return err
		}
		if _, err := p.data.WriteTo(to); err != nil {
			return err
		}
	}
	return zw.Close()
}
