package csvfile

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/usersync-go/usersync/internal/table"
)

// lines gives the physical lines of a file, decoded and with their line endings.
type lines struct {
	src    *bufio.Reader
	cs     charset
	wide   *utf16Charset // cs, if it is that
	max    int           // bytes of one line
	raw    []byte        // the line being put together, if it needs that
	count  int           // lines read
	number int           // lines given: the number of the last one
	held   []byte        // decoded lines read ahead
}

func newLines(r io.Reader, encoding string, lim Limits) (*lines, error) {
	src := bufio.NewReaderSize(&capped{r: r, left: lim.Bytes, limit: lim.Bytes}, 64<<10)
	head, _ := src.Peek(4) // an error comes back when the lines are read
	cs, mark, err := charsetOf(encoding, head)
	if err != nil {
		return nil, err
	}
	_, _ = src.Discard(mark)
	wide, _ := cs.(*utf16Charset)
	return &lines{src: src, cs: cs, wide: wide, max: lim.RowBytes}, nil
}

// next gives a line, which lasts until the next call, or io.EOF.
func (l *lines) next() ([]byte, error) {
	if len(l.held) > 0 {
		l.number++
		line := l.held
		if i := bytes.IndexByte(line, '\n'); i >= 0 {
			line = line[:i+1]
		}
		l.held = l.held[len(line):]
		return line, nil
	}
	line, err := l.read()
	if err == nil {
		l.number++
	}
	return line, err
}

// ahead gives the line after those read so far; next will still give it.
func (l *lines) ahead() ([]byte, error) {
	line, err := l.read()
	l.held = append(l.held, line...)
	return line, err
}

// skip drops what was read ahead.
func (l *lines) skip() {
	l.held = l.held[:0]
	l.number = l.count
}

func (l *lines) read() ([]byte, error) {
	l.count++
	raw, err := l.readRaw()
	if err != nil {
		return nil, err
	}
	text, bad := l.cs.decode(raw)
	if bad >= 0 {
		return nil, refuseByte(l.cs.name(), l.count, int64(bad)+1, raw[bad])
	}
	if i := bytes.IndexByte(text, 0); i >= 0 {
		return nil, refuseNUL(l.count, l.place(text[:i]))
	}
	return text, nil
}

// place is the byte of the line, from 1 and without a byte order mark, at which before ends.
func (l *lines) place(before []byte) int64 { return int64(l.cs.size(before)) + 1 }

func (l *lines) readRaw() ([]byte, error) {
	l.raw = l.raw[:0]
	for {
		part, err := l.src.ReadSlice('\n')
		if len(l.raw)+len(part) > l.max {
			return nil, l.tooLong(part)
		}
		if err == nil && len(l.raw) == 0 && l.wide == nil {
			return part, nil // the usual case, without a copy
		}
		l.raw = append(l.raw, part...)
		if err == nil && l.wide != nil {
			err = l.finishWide()
		}
		switch {
		case err == nil, err == io.EOF && len(l.raw) > 0:
			return l.raw, nil
		case err == io.EOF:
			return nil, io.EOF
		case err != bufio.ErrBufferFull:
			return nil, wrapRead(err)
		}
	}
}

// finishWide completes a code unit of UTF-16 that has 0x0A as one of its bytes. ErrBufferFull says that
// it is not a line feed: read on.
func (l *lines) finishWide() error {
	if len(l.raw)%2 == 1 {
		b, err := l.src.ReadByte()
		if err != nil {
			return err
		}
		l.raw = append(l.raw, b)
	}
	if l.wide.order.Uint16(l.raw[len(l.raw)-2:]) != '\n' {
		return bufio.ErrBufferFull
	}
	return nil
}

// tooLong refuses a line, and names the likeliest cause of one that never ends.
func (l *lines) tooLong(part []byte) error {
	raw := append(l.raw, part...)
	i := bytes.IndexAny(raw, "\r\"")
	if i >= 0 && raw[i] == '\r' && l.wide == nil && !bytes.HasPrefix(raw[i:], []byte("\r\n")) {
		return refuseLineEnding(l.count, int64(i)+1)
	}
	return refuseRow(l.count, l.max)
}

func wrapRead(err error) error {
	if refusal := (*table.Refusal)(nil); errors.As(err, &refusal) {
		return err
	}
	return fmt.Errorf("reading the CSV file: %w", err)
}

// capped reads at most one byte more than the limit, and repeats its error.
type capped struct {
	r     io.Reader
	left  int64
	limit int64
	err   error
}

func (c *capped) Read(p []byte) (int, error) {
	if c.err != nil {
		return 0, c.err
	}
	if int64(len(p)) > c.left+1 {
		p = p[:c.left+1]
	}
	n, err := c.r.Read(p)
	c.left -= int64(n)
	if c.left < 0 {
		n, err = n-1, refuseBytes(c.limit)
	}
	c.err = err
	return n, err
}
