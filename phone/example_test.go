package phone_test

import (
	"fmt"
	"log"

	"github.com/usersync-go/usersync/phone"
)

func ExampleE164() {
	toE164, err := phone.E164("RU")
	if err != nil {
		log.Fatal(err)
	}
	for _, text := range []string{"8 (912) 345-67-89", "+7 912 345 67 89", "+49 30 123456", "8 912"} {
		number, err := toE164(text)
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println(number)
	}
	// Output:
	// +79123456789
	// +79123456789
	// +4930123456
	// 8 912 is not a phone number that there can be: check the digits, and write it as +7 301 123-45-67
}
