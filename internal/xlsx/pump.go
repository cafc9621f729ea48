package xlsx

import (
	"io"
)

// pumpBytes is one piece that the inflating goroutine hands over; three are under way at most.
const (
	pumpBytes  = 64 << 10
	pumpPieces = 3
)

// pump reads ahead in a goroutine of its own, so that inflating and scanning overlap. stop ends the
// goroutine and waits for it; it must be called, and is called by whoever started the pump.
type pump struct {
	full chan piece
	free chan []byte
	quit chan struct{}
	gone chan struct{}
	cur  piece
	rest []byte
}

type piece struct {
	buf   []byte
	err   error
	panic any
}

func startPump(r io.Reader) *pump {
	p := &pump{
		full: make(chan piece, pumpPieces),
		free: make(chan []byte, pumpPieces),
		quit: make(chan struct{}),
		gone: make(chan struct{}),
	}
	for range pumpPieces {
		p.free <- nil
	}
	go p.run(r)
	return p
}

// run ends with the first error, io.EOF included, or when told to quit. It never blocks on full,
// which has room for every piece there is.
func (p *pump) run(r io.Reader) {
	defer close(p.gone)
	defer func() {
		if v := recover(); v != nil { // of the caller's reader: belongs in the caller's goroutine
			p.full <- piece{panic: v}
		}
	}()
	for {
		select {
		case <-p.quit:
			return
		case buf := <-p.free:
			if buf == nil {
				buf = make([]byte, pumpBytes)
			}
			n, err := io.ReadFull(r, buf[:pumpBytes])
			if err == io.ErrUnexpectedEOF {
				err = io.EOF
			}
			p.full <- piece{buf: buf[:n], err: err}
			if err != nil {
				return
			}
		}
	}
}

func (p *pump) Read(b []byte) (int, error) {
	for len(p.rest) == 0 {
		if p.cur.err != nil {
			return 0, p.cur.err
		}
		if p.cur.buf != nil {
			p.free <- p.cur.buf
		}
		p.cur = <-p.full
		if p.cur.panic != nil {
			panic(p.cur.panic)
		}
		p.rest = p.cur.buf
	}
	n := copy(b, p.rest)
	p.rest = p.rest[n:]
	return n, nil
}

func (p *pump) stop() {
	close(p.quit)
	<-p.gone
}
