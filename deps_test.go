package usersync

import (
	_ "github.com/google/go-cmp/cmp"
	_ "github.com/xuri/excelize/v2"
)
