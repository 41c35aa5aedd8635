package main

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// rootFiles are the files and folders of a folder, and nothing else in it: opening a FIFO
// would hang, and devices have effects. What cannot be served has an error that
// http.FileServerFS answers with 403 or 404.
type rootFiles struct{ fs fs.FS }

func newRootFiles(root *os.Root) rootFiles { return rootFiles{root.FS()} }

func (f rootFiles) Open(name string) (fs.File, error) {
	info, err := fs.Stat(f.fs, name)
	if err == nil && !info.Mode().IsRegular() && !info.IsDir() {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
	}
	if err != nil {
		return nil, notThere(err)
	}
	file, err := f.fs.Open(name)
	return file, notThere(err)
}

// notThere makes a file that does not exist of names that cannot be, and of links out of
// the root, for which the error is the root's own and not the system's.
func notThere(err error) error {
	var p *fs.PathError
	if !errors.As(err, &p) {
		return err
	}
	var errno syscall.Errno
	if isErrno := errors.As(err, &errno); isErrno || errors.Is(err, fs.ErrPermission) {
		switch errno {
		case syscall.EINVAL, syscall.ENAMETOOLONG, syscall.ELOOP, syscall.ENOTDIR:
		default:
			return err
		}
	}
	return &fs.PathError{Op: p.Op, Path: p.Path, Err: fs.ErrNotExist}
}
