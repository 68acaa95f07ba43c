// Command kube-apiserver is Kubernetes' own, as k8s.io/kubernetes/cmd/kube-apiserver builds it: that command's main package
// cannot be built from another module, so this one calls what it calls.
package main

import (
	"os"

	"k8s.io/component-base/cli"
	"k8s.io/kubernetes/cmd/kube-apiserver/app"
)

func main() {
	os.Exit(cli.Run(app.NewAPIServerCommand()))
}
