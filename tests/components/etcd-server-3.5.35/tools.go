//go:build tools

// Package components pins the etcd server that the tests run.
package components

import _ "go.etcd.io/etcd/server/v3"
