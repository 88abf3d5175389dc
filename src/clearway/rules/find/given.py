"""Common given names, and words that look like names and mostly are none.

A short list by hand: it finds "my friend Ivan" before any field has named him. Names outside of it are found when a field
or the words around them tell (`known`, `prose`); the rest is work for an optional model.
"""

GIVEN = frozenset(
    """
    aaliyah aaron abdul abdullah abigail adam adrian adriana agnes agnieszka ahmad ahmed aiden aisha akira alan albert
    alberto aleksander alejandra alejandro alessandro alex alexander alexandra alexis alfonso alfred alfredo ali alice
    alicia alina alison allison alma alvaro amanda amelia amelie amina amir amit amy ana anastasia anders andre andrea
    andreas andrei andres andrew andrzej angel angela angelica angelina anika anita anjali ann anna anne annette annie
    anthony antoine anton antonia antonio anya arjun arnold arthur arturo asad ashley astrid audrey augustin ava aarav
    ayesha barbara beatrice beatriz ben benjamin bernard bernardo beth betty beverly bianca bob boris bradley brandon
    brenda brendan brian bridget brittany bruno bryan caleb camila camille candace carl carla carlos carmen carol carolina
    caroline carolyn carrie catalina caterina catherine cathy cecilia celia cesar chad charlene charles charlie chen
    cheryl chiara chloe chris christian christina christine christoph christophe christopher cindy claire clara claude
    claudia clement colin colleen connor constance corey courtney craig cristian cristina crystal cynthia daiki daisuke
    dale damian dan dana daniel daniela danielle danny darius darren dave david deborah debra deepak denise dennis derek
    diana diane diego dieter dimitri dmitri dolores dominic dominik dominique donald donna doris dorothy douglas duncan
    dustin dylan eduardo edward edwin eileen ekaterina elaine eleanor elena eli elias elif elijah elisa elisabeth
    elizabeth ella ellen ellie elsa emil emilia emilie emilio emily emma emmanuel enrique eric erica erik erika erin
    ernest esteban esther ethan eugene eva evan evelyn fabian fabio farah farid fatima felicia felipe felix fernanda
    fernando filip fiona florian francesca francesco francis francisco franck frank franz fred freddie frederic frederick
    fredrik friedrich gabriel gabriela gareth gary gavin geoffrey george georgia gerald gerard gerhard gianluca gina
    giorgio giovanni giulia giuseppe gloria gonzalo gordon graham greg gregory greta guillaume guillermo gunnar gustavo
    hamza hannah hans haruto harold harry harvey hassan heather hector heidi heinrich helen helena helene henrik henry
    herbert hiroshi howard hugo hussein ian ibrahim igor ines ingrid irene irina isaac isabel isabella isabelle isaiah
    ivan jack jackie jacob jacqueline jacques jaime jake jakob jakub james jamie jan jane janet janice jared jasmine
    jason javier jean jeff jeffrey jenna jennifer jenny jeremy jerome jerry jesse jessica jesus jill jim jimmy joan joana
    joanna joanne joao joe joel johan johanna johannes john johnny jon jonas jonathan jorge jose josef joseph josephine
    josh joshua juan juana judith judy julia julian juliana julie julien juliet julio justin kamil karen karim karin karl
    karla katarina katarzyna kate katherine kathleen kathryn kathy katie katrina kayla keith kelly kelsey ken kenji
    kenneth kevin khalid kiara kim kimberly kiran klaus kofi krishna kristen kristin kristina kurt kwame kyle lara larry
    lars laura lauren laurent layla lea leah leila leo leon leonard leonardo leslie leticia liam lidia lily linda lindsay
    lisa liu logan lois lorena lorenzo lori louis louise luca lucas lucia lucie lucy luigi luis luisa lukas luke lydia
    lynn maciej madeleine magdalena maja malik manuel manuela marc marcel marcelo marco marcos marcus margaret margarita
    maria mariam mariana marie marina mario marion marisol marjorie marko marlene marta martha martin martina marvin mary
    maryam masato mateo mateusz mathew mathieu matteo matthew matthias maureen maurice mauricio max maxim maximilian megan
    mehmet mei melanie melissa mercedes mia michael michal michel michele michelle miguel mikael mike mikhail milan mindy
    miriam mitchell mohamed mohammad mohammed moises molly monica monika monique morgan mostafa muhammad mustafa nadia
    nancy naomi natalia natalie natasha nathan nathaniel neha neil nicholas nick nicola nicolas nicole nikhil niklas nikos
    nina noah noel nora norbert norma norman oksana olaf oleg olga oliver olivia omar oscar oskar pablo paloma pamela
    paola patricia patrick patrik paul paula paulina pauline paulo pavel pedro peggy penelope peter petra philip philipp
    philippe phillip phyllis pierre pilar piotr priya rachel rafael rahul raj rajesh ralph ramon randall raphael raquel
    rashid raul raymond rebecca regina reinhard rene renee ricardo riccardo richard rick riley rita robert roberta roberto
    robin rocio rodrigo roger roland rolf roman ron ronald rosa rosemary ross roxanne ruben rudolf russell ruth ryan
    sabine sabrina sally salma sam samantha samir samuel sandeep sandra sandy sanjay santiago sara sarah satoshi scott
    sean sebastian sergei sergio seth shane shannon sharon shawn sheila shelby shirley silvia simon simone sofia sonia
    sophia sophie spencer stacey stanley stefan stefanie stefano stella stephan stephanie stephen steve steven stuart
    sunita susan susanna susanne suzanne sven svetlana sylvia sylvie takashi tamara tammy tanya tara tatiana ted teresa
    terrence terry theo theodore theresa thiago thomas tiffany tim timothy tina tobias todd tom tomas tomasz tommy tony
    tracy travis tristan tyler ulrich ursula valentina valeria valerie vanessa vera veronica vicki victor victoria
    vijay vikram vincent vincenzo vivian vladimir wanda wayne wei wendy werner wesley wilhelm william wolfgang xavier
    yan yara yasmin yolanda youssef yuki yuri yusuf yvette yvonne zachary zeynep zoe zofia
    """.split()
)

#: Given names and family names that are also words, months, places or brands: alone and out of a field they prove nothing.
ALSO_WORDS = frozenset(
    """
    able abbey angel april art ash august austin autumn baker banks barn bell berry best bill bird bishop black blue bond
    book booker bolt boss branch brand bridge bright brook brooks brown buck bush butler carter case cash chance charity
    charlotte chase chip christian church clay claude close cook cooper cruise crystal dale dallas dawn day dean dear
    denver diamond dolores drew early eagle earl east eden faith fall farmer field fields finn fisher flora florence fly
    ford forest fox frank france franklin free friend frost gay gene georgia glass glen gold golden good grace grand grant
    gray green guy hall hand harbor hardy heath hill holly home hope house hunt hunter iris island ivory ivy jack jade
    january jasmine jean jersey jet jewel job jordan joy june justice key king knight lake lamb land lane law lee legend
    li lilly lily little london long love low lucky madison major man march mark marina market marsh mason master may
    max mercedes mercy merry mike mile mill miles milan miller milo moon moore morgan nash new noble norman north olive
    page paris park parker pat patience paul pearl penny perry pierce pine pike pilot pope porter potter power price prince
    queen rain ray read reed reef rich ridge river rivers rob robin rock rocky roman rose ross royal ruby rush rusty ryan
    sage sandy savannah sea shade sharp shepherd sidney sierra sky small smart smith snow song south spring star stark
    stone storm strong summer summers sun swan sydney taylor terry temple tiger trinity troy turner victor victoria
    violet virginia walker wall ward water waters wave way weaver webb weeks wells west white wild will wilson win winter
    wise wolf wood woods woody worth wright yellow young
    """.split()
)

#: What follows a given name in the names of things and places: "Santiago Airport", "Victoria Street".
NOT_FAMILY = frozenset(
    """
    airlines airport airways america and april arena art august avenue bank bay beach bridge building business castle cathedral
    church city class classic club college corp corporation county court data day days december deluxe district drive
    economy express february festival force foundation friday garden gate gmbh group hall harbor hospital hotel house inc
    international island january july june lake limited llc ltd mall march market monday monument mountain museum national
    new north november october open park place plaza point prize river road saturday school september services south
    square st stadium station street sunday systems technologies terminal test the theatre thursday tower trust tuesday
    university valley village wednesday west i we you he she it they my your his her our their please can could would
    will is was are has have had do does did not no yes if when where what who how this that there here to in on at for
    from with but or so as of by an a dob date born email phone status cabin passenger passengers gold silver regular
    member economy basic
    """.split()
)

#: Words with a capital letter after "Dear", "passenger" or "name is" that are no name.
NOT_NAMES = NOT_FAMILY | frozenset(
    """
    actual again agent agents all also always another any available both bot chatbot client colleague colleagues customer
    details dear each everyone everybody folks friend friends general guest hello help hi id identification just
    last first full middle given family name names madam maiden manager me more mr mrs ms dr number none null once one
    only other our owner passengers regards reservation sir some someone sorry support sure team thanks thank there these
    those two three type united unknown us user username users welcome world sincerely yours best kind
    """.split()
)

#: Parts of names that are written small, and never stand for anybody alone.
PARTICLES = frozenset("al bin da de del della der di do dos du el ibn la le san van von zu y of the jr sr ii iii iv".split())
