package main

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestLockExcludesTheLiving(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	lock, err := lockDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lockDir(dir); !errors.Is(err, errLocked) {
		t.Errorf("second lock: %v", err)
	}
	lock.Close()
	again, err := lockDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	again.Close()
}

func TestSweepTakesTheDeadOnly(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	living, err := os.MkdirTemp("", runtimePattern)
	if err != nil {
		t.Fatal(err)
	}
	lock, err := lockDir(living)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	dead, err := os.MkdirTemp("", runtimePattern)
	if err != nil {
		t.Fatal(err)
	}
	if err := sweepRuntimeDirs(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(living); err != nil {
		t.Error(err)
	}
	requireNothingLeft(t, dead)
}
