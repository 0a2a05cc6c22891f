package xspace
import ("testing";"bytes";"time";"fmt"
)
var Gen func(int64) []byte
func TestTmpMicro(t *testing.T) {
	data := Gen(2<<20)
	sp,err:=Index(bytes.NewReader(data),int64(len(data)))
	if err!=nil{t.Fatal(err)}
	// GHz
	x:=uint64(1); at:=time.Now(); for i:=0;i<1e9;i++ { x = x*3+1 }; d:=time.Since(at); fmt.Println("4-cycle imul+lea chain ns/iter", float64(d)/1e9, x&1)
	for _,dev:=range []bool{true,false}{
	for _,ln:=range sp.Planes[0].Lines { if ln.Name!="XLA Ops" {continue}
		ln.pl.Load()
		opts:=ScanOptions{DeviceClock:dev}
		best:=time.Duration(1<<60); n:=0
		sc:=newScanner(ln,&opts); sc.batch(); sc.open(0); sc.origin(); sc.prepare(); sc.more(1)
		for r:=0;r<3000;r++ { n=0; at:=time.Now(); sc.pos=0; for { sc.k=0; sc.hot(); n+=sc.k; if sc.k<sc.size {break} }; best=min(best,time.Since(at)) }
		fmt.Println("dev",dev,"events",n,"ns/event",float64(best)/float64(n))
	}}
}
