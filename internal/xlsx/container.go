package xlsx

import (
	"archive/zip"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// container is the zip archive with its parts by partKey.
type container struct {
	parts map[string]*zip.File
	lim   Limits
}

// budget is what may still be inflated.
type budget struct {
	left, total int64
}

func (b *budget) exceeded(part string) error {
	return exceeds(LimitInflated, part, b.total, "the parts of the file unpack to too many bytes")
}

// openContainer checks the archive's structure; nothing is inflated yet.
func openContainer(r io.ReaderAt, size int64, lim Limits) (*container, error) {
	if size <= 0 {
		return nil, refuse(CodeEmpty, "", "the file is empty")
	}
	src := source{r}
	entries, err := readDirectory(src, size, lim)
	if err != nil {
		return nil, err
	}
	zr, err := zip.NewReader(src, size)
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) {
		return nil, unpacked(err, "")
	}
	if !agrees(zr, entries) {
		return nil, refuse(CodeDamaged, "", "the list of the file's parts can be read in two ways")
	}
	c := &container{parts: make(map[string]*zip.File, len(zr.File)), lim: lim}
	for _, f := range zr.File {
		c.parts[partKey(f.Name)] = f
	}
	return c, nil
}

// has tells whether there is a part of this name.
func (c *container) has(name string) bool { return c.parts[partKey(name)] != nil }

// packed gives the bytes that a part takes in the archive.
func (c *container) packed(name string) int64 {
	return int64(c.parts[partKey(name)].CompressedSize64)
}

// open starts inflating a part. alive is asked before each piece and stops the reading.
func (c *container) open(name string, left *budget, alive func() error) (*part, error) {
	f := c.parts[partKey(name)]
	switch {
	case f == nil:
		return nil, refuse(CodeMissing, name, "the file refers to a part that it does not hold")
	case f.Flags&flagEncrypted != 0:
		return nil, refuse(CodeEncrypted, name, "the file is encrypted")
	case f.UncompressedSize64 > uint64(left.left):
		return nil, left.exceeded(name)
	}
	p := &part{name: name, file: f, left: left, alive: alive, ratio: c.lim.Ratio}
	if err := p.checkRatio(f.UncompressedSize64); err != nil {
		return nil, err
	}
	var err error
	if p.rc, err = f.Open(); err != nil {
		return nil, unpacked(err, name)
	}
	return p, nil
}

// part inflates one part, counts, and checks its sum. It gives io.EOF only if all of it was sound.
type part struct {
	name  string
	file  *zip.File
	rc    io.ReadCloser
	read  uint64
	crc   uint32
	ratio int64
	left  *budget
	alive func() error
}

func (p *part) Read(b []byte) (int, error) {
	if err := p.alive(); err != nil {
		return 0, err
	}
	n, err := p.rc.Read(b)
	p.read += uint64(n)
	p.crc = crc32.Update(p.crc, crc32.IEEETable, b[:n])
	if p.left.left -= int64(n); p.left.left < 0 {
		return 0, p.left.exceeded(p.name)
	}
	if err == nil {
		return n, p.checkRatio(p.read)
	}
	// archive/zip takes a sum of 0 for one that was not set.
	if err == io.EOF && p.crc != p.file.CRC32 {
		err = zip.ErrChecksum
	}
	return n, unpacked(err, p.name)
}

func (p *part) Close() error { return p.rc.Close() }

// checkRatio refuses what unpacks to far more than a workbook does.
func (p *part) checkRatio(inflated uint64) error {
	if inflated <= ratioGrace || inflated/uint64(p.ratio) <= p.file.CompressedSize64 {
		return nil
	}
	return exceeds(LimitRatio, p.name, p.ratio, "the part unpacks to many times its size")
}

// unpacked says what an error of the archive means.
func unpacked(err error, part string) error {
	var own *sourceError
	switch {
	case err == nil, err == io.EOF, errors.As(err, &own):
		return err
	case errors.Is(err, zip.ErrChecksum):
		return refuse(CodeChecksum, part, "the part's checksum does not fit: the file was damaged on its way")
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return refuse(CodeTruncated, part, "the part is cut short")
	case errors.Is(err, zip.ErrAlgorithm):
		return refuse(CodeDamaged, part, "the part is packed by a method that is not read")
	}
	r := refuse(CodeDamaged, part, "the part does not unpack")
	r.Err = err
	return r
}

// source marks the errors of the caller's reader, which are not the file's fault.
type source struct {
	io.ReaderAt
}

func (s source) ReadAt(b []byte, at int64) (int, error) {
	n, err := s.ReaderAt.ReadAt(b, at)
	if err == nil || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return n, err
	}
	return n, &sourceError{err}
}

type sourceError struct{ err error }

func (e *sourceError) Error() string { return fmt.Sprintf("xlsx: reading the file: %v", e.err) }
func (e *sourceError) Unwrap() error { return e.err }
