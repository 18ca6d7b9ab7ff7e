// Package snapshot writes the state of one process so that another one can go on with it. A Codec walks over the fields of
// a structure and either writes or reads them: one function says both, so the two directions cannot differ. Seal puts the
// result into an envelope by which another version, a cut or a changed snapshot is seen before anything is read.
//
// There is one encoding of each value, so what was read is written again byte for byte. Reading never panics and takes no
// more memory than a small multiple of the input. It is pure: times are written as what is left of them.
package snapshot
