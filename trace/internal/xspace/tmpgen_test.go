package xspace_test
import ("bytes";"github.com/layerscope/layerscope/trace/internal/xspace";"github.com/layerscope/layerscope/trace/internal/xspace/xspacegen")
func init(){ xspace.Gen=func(n int64)[]byte{ var b bytes.Buffer; xspacegen.Write(&b,xspacegen.Config{Seed:1,Bytes:n}); return b.Bytes()}}
