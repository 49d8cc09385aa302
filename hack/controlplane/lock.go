package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// errLocked says that a living process holds the lock.
var errLocked = errors.New("locked by another process")

// tryLock locks an existing file or folder until the result is closed or this process ends,
// however it ends. That, unlike a file with a process id, tells the living from the dead.
func tryLock(path string) (*os.File, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		err = stillAt(path, file)
	}
	if err != nil {
		file.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = errLocked
		}
		return nil, err
	}
	return file, nil
}

// stillAt fails if the previous holder removed what has just been locked.
func stillAt(path string, file *os.File) error {
	locked, err := file.Stat()
	if err != nil {
		return err
	}
	present, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !os.SameFile(locked, present) {
		return fs.ErrNotExist
	}
	return nil
}

// lockDir creates the folder if need be and locks it.
func lockDir(dir string) (*os.File, error) {
	for {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, err
		}
		lock, err := tryLock(dir)
		if !errors.Is(err, fs.ErrNotExist) {
			return lock, err
		}
	}
}

// awaitLock creates the file if need be and locks it, waiting for whoever holds it;
// waiting is called once if that is needed.
func awaitLock(ctx context.Context, path string, waiting func()) (*os.File, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		return nil, err
	}
	for first := true; ; first = false {
		lock, err := tryLock(path)
		if !errors.Is(err, errLocked) {
			return lock, err
		}
		if first {
			waiting()
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(200 * time.Millisecond):
		}
	}
}
