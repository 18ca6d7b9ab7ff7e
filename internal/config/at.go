package config

// At makes an error that shows only when the configuration is put to work (a port in use, a device that exists) point
// at the key which caused it. errors.Is finds err.
func At(file string, line int, key string, err error) *Error {
	return &Error{File: file, Line: line, Key: key, Msg: err.Error(), err: err}
}
