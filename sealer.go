package usersync

import (
	"crypto/aes"
	"crypto/cipher"
	"fmt"
)

// sealer encrypts the secret values of stored plans with AES-256-GCM (NIST SP 800-38D). What it seals can
// only be opened as the same field of the same row of the same plan. A nil sealer has no key. (A10)
type sealer struct{ aead cipher.AEAD }

// secretKeySize is the size of a key, in bytes.
const secretKeySize = 32

func newSealer(key []byte) (*sealer, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, err
	}
	return &sealer{aead}, nil
}

func sealedAs(planID string, at, field int32) []byte {
	return fmt.Appendf(nil, "usersync plan %s row %d field %d", planID, at, field)
}

// seal encrypts the value that a setting writes.
func (s *sealer) seal(planID string, at int32, set *setting) ([]byte, error) {
	switch {
	case set.new == "":
		return nil, nil
	case s == nil:
		return nil, fmt.Errorf("%w: the file has secret values, such as passwords, and a stored plan must not have them in the clear: "+
			"set a key for them (WithSecretKey; for the command, USERSYNC_SECRET_KEY), or leave their columns out", ErrInvalid)
	}
	return s.aead.Seal(nil, nil, []byte(set.new), sealedAs(planID, at, set.field)), nil
}

// open decrypts what seal has encrypted.
func (s *sealer) open(planID string, at int32, set *settingForm) (string, error) {
	if s == nil {
		return "", fmt.Errorf("%w: the stored plan has sealed secrets: set the key that it was stored with (WithSecretKey)", ErrInvalid)
	}
	value, err := s.aead.Open(nil, nil, set.Sealed, sealedAs(planID, at, set.Field))
	if err != nil {
		return "", fmt.Errorf("%w: a secret of the stored plan cannot be opened: the key (WithSecretKey) is another: preview again", ErrPlanStale)
	}
	return string(value), nil
}
