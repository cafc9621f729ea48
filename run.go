package usersync

// Run is a plan that is being, or has been, applied.
type Run struct {
	ID string
}

// Progress tells how many of the run's changes were made and how many there are.
func (r *Run) Progress() (done, total int) { return 0, 0 }
