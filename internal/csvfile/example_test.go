package csvfile_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/usersync-go/usersync/internal/csvfile"
)

func ExampleRead() {
	upload := "userName;phone\nanna;'+380501234567\n\nbo\"b;\n"
	for row, err := range csvfile.Read(context.Background(), strings.NewReader(upload), csvfile.Options{}) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(row.Number, row.Cells[0].Text, row.Cells[1].Text)
	}
	// Output:
	// 1 userName phone
	// 2 anna +380501234567
	// line 4, byte 3: a quote inside a cell that does not start with one: put the whole cell in quotes and write each quote inside it twice, or save the file again from a spreadsheet program
}
