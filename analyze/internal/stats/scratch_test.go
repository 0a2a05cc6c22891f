package stats
import ("testing";"fmt")
func changed(v Verdict) bool { return v==Regression||v==Improvement||v==Differs }
func TestScratch(t *testing.T){
 m3:=modelN2; m3.name="N2 8 loud"; m3.loud=8
 m4:=modelN1; m4.name="N1 shared"; m4.shared=.005
 m6:=modelN2; m6.name="N2 L6"; m6.layers=6
 m8:=modelN2; m8.name="N2 32 loud"; m8.loud=32
 m9:=modelN1; m9.name="N1 loud"; m9.loud=1; m9.noisy=.015
 for _,m:=range []noiseModel{modelN1,modelN2,m3,m4,m6,m8,m9}{
 for _,runs:=range []int{2,3}{
  T:=1000
  s:=newSession(m,1)
  var aa, pl []captures
  for range T{ aa=append(aa,s.captures(runs,nil)); pl=append(pl, s.captures(runs,map[int]float64{20%m.layers:1.03}))}
  for _,L:=range []float64{.5,.7}{
  for _,K:=range []float64{1,1.5,2,3,1e9}{
  knobK=K; knobL=L
  var any,layer,det,only,other int
  loud:=0
  for i:=range T{
   c:=aa[i]
   r:=Compare(nil,c.rows,Options{MinAbs:1e6})
   l:=false
   for i,x:=range r.Rows{ if changed(x.Verdict){l=true; if i==0{loud++}}; }
   if l{layer++}
   c=pl[i]
   r=Compare(nil,c.rows,Options{MinAbs:1e6})
   oth:=false
   for i,x:=range r.Rows{ if i!=20%m.layers&&changed(x.Verdict){oth=true}}
   x:=r.Rows[20%m.layers]
   if x.Verdict==Regression{det++; if !oth{only++}}
   if oth{other++}
  }
  _=any
  f:=func(n int)string{return fmt.Sprintf("%5.2f%%",100*float64(n)/float64(T))}
  fmt.Println(m.name,runs,"K",K,"L",L,"layer",f(layer),"loud",f(loud)," planted det",f(det),"only",f(only),"other",f(other))
 }}}}
}
