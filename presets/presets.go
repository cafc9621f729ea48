// Package presets has the fields and the first configuration of four kinds of product that bring users in from
// files: a workflow product ([Workflow]), a training platform ([Training]), a communications archive ([Archive]) and
// a staff platform for retail ([Retail]). A preset is plain data. Nothing in the engine knows of it, and whatever is
// in it can be changed before it is used:
//
//	retail := presets.Retail()
//	retail.Field("password").MinLength = 12
//	svc, err := usersync.NewService(users, stores, usersync.WithSchema(retail.Schema), …)
//	...
//	cfg := retail.Config
//	cfg.ID, cfg.Name = "", "Shops in the north"
//	cfg, err = svc.CreateConfig(ctx, cfg)
package presets

import (
	"fmt"

	"github.com/usersync-go/usersync"
)

// Preset is what makes an engine the importer of one kind of product.
type Preset struct {
	// Schema is the fields of files and users.
	Schema usersync.Schema
	// Config is what a new configuration starts as. It is valid as it is; its ID and Name are to be replaced.
	Config usersync.Config
}

// Field is a field of the preset, to change it. It panics where there is none of that name.
func (p *Preset) Field(name string) *usersync.Field {
	for i := range p.Schema.Fields {
		if p.Schema.Fields[i].Name == name {
			return &p.Schema.Fields[i]
		}
	}
	panic(fmt.Sprintf("presets: there is no field %q", name))
}

// Phones gives every phone field another canonical form than the typed one, such as phone.E164 of the package of
// that name, in the fields of p.
func (p *Preset) Phones(canonical func(string) (string, error)) {
	for i := range p.Schema.Fields {
		if f := &p.Schema.Fields[i]; f.Kind == usersync.KindPhone {
			f.Canonical = canonical
		}
	}
}

// Workflow is a product with one directory of staff and saved configurations: the default schema and
// configuration.
func Workflow() Preset {
	return Preset{Schema: usersync.DefaultSchema(), Config: usersync.DefaultConfig("Workflow")}
}
