module countersign.dev/hack/localnode/work

go 1.26.0
