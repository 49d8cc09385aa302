module countersign.dev/hack/controlplane

go 1.26.0
