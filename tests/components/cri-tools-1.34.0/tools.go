//go:build tools

// Package components pins the crictl that the tests run.
package components

import _ "sigs.k8s.io/cri-tools/cmd/crictl"
